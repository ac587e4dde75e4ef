//! Tests of the whole system as real processes; see `tests/it`.
