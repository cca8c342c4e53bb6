/** Named number arrays: the state of something that is to go on later exactly as it was. */

export type Arrays = ReadonlyMap<string, Float32Array | Float64Array>;

/** The array of that name. Throws when it is missing or of another length: then the state is of something else. */
export function takeArray(state: Arrays, name: string, length: number): Float32Array | Float64Array {
  const array = state.get(name);
  if (array?.length === length) return array;
  throw new Error(
    `the state has ${array ? `${array.length} numbers` : "nothing"} for ${name}, not ${length}`,
  );
}

export const prefixed = (prefix: string, state: Arrays): [string, Float32Array | Float64Array][] =>
  [...state].map(([name, array]) => [prefix + name, array]);

export const unprefixed = (prefix: string, state: Arrays): Arrays =>
  new Map(
    [...state].flatMap(([name, array]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), array] as const] : [],
    ),
  );
