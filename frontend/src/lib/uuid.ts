/** A random UUID. `crypto.randomUUID` exists only over HTTPS and on localhost; `crypto.getRandomValues` exists everywhere. */
export function randomUuid(): string {
  const native = (crypto as { randomUUID?: () => string }).randomUUID;
  if (native !== undefined) return native.call(crypto);
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  // version 4, variant 1 (RFC 9562)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
