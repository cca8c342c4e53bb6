/** Which names say that a field or a tag is about molecules; whether its values are is seen when they are read. */
export const speaksOfMolecules = (name: string): boolean =>
  /smiles|molecule|drug|compound|ligand/i.test(name);
