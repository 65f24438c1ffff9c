#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (mynah_fuzz::targets::query::TARGET.run)(data));
