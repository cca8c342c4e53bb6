/** Cholesky factors of symmetric matrices that are positive, up to rounding; float64, in place. */

/** Factor in place of the lower triangle; a pivot lost to rounding is set to 0, its direction left out. */
export function factorise(a: Float64Array, d: number): void {
  let largest = 0;
  for (let i = 0; i < d; i++) largest = Math.max(largest, a[i * d + i]!);
  const negligible = largest * d * Number.EPSILON;
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < i; j++) {
      const pivot = a[j * d + j]!;
      a[i * d + j] = pivot === 0 ? 0 : (a[i * d + j]! - dot(a, i * d, a, j * d, j)) / pivot;
    }
    const rest = a[i * d + i]! - dot(a, i * d, a, i * d, i);
    a[i * d + i] = rest > negligible ? Math.sqrt(rest) : 0;
  }
}

/** Solves L L' v = b in place; entries of a pivot of 0 become 0. */
export function substitute(factor: Float64Array, d: number, b: Float64Array): void {
  for (let i = 0; i < d; i++) {
    const pivot = factor[i * d + i]!;
    b[i] = pivot === 0 ? 0 : (b[i]! - dot(factor, i * d, b, 0, i)) / pivot;
  }
  for (let i = d - 1; i >= 0; i--) {
    const pivot = factor[i * d + i]!;
    b[i] = pivot === 0 ? 0 : b[i]! / pivot;
    for (let j = 0; j < i; j++) b[j]! -= factor[i * d + j]! * b[i]!;
  }
}

/** Of `length` numbers from the given places on. */
export function dot(a: Float64Array, aFrom: number, b: Float64Array, bFrom: number, length: number): number {
  let total = 0;
  for (let r = 0; r < length; r++) total += a[aFrom + r]! * b[bFrom + r]!;
  return total;
}
