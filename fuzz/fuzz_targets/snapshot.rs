#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| jobq_fuzz::snapshot(bytes));
