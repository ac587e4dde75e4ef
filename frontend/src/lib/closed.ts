/**
 * Closed sets of values: states, kinds, results. The API lists their values, so a record over them
 * is complete or does not compile. A page that is older than the API may still receive a value that
 * only the newer release knows.
 */

/** The entry of a value; none for a value that only a newer release knows. */
export function entryOf<Key extends string, Entry>(entries: Record<Key, Entry>, key: Key): Entry | undefined {
  return Object.hasOwn(entries, key) ? entries[key] : undefined;
}

/** The values of a set, in the order in which the record lists them. */
export const valuesOf = <Key extends string>(entries: Record<Key, unknown>): Key[] => Object.keys(entries) as Key[];
