#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (mynah_fuzz::targets::fixtures::TARGET.run)(data));
