#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (mynah_fuzz::targets::json_body::TARGET.run)(data));
