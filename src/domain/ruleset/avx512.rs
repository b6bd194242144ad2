//! What is quicker with the widest vectors only.

use fearless_simd::Level;

/// The processor's vectors, where those are AVX-512: they collect chosen places by themselves, and look up a table of 128 bytes in one
/// instruction. With AVX2 and SSE 4.2 the same takes up to three times as long as to look at all places one by one.
pub(super) fn level() -> Option<Level> {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return Some(Level::new()).filter(|level| level.as_avx512().is_some());
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
    return None;
}
