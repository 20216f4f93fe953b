//! Many bytes at a time: comparing them, and finding where a plain string ends.
//!
//! Enters: windows of 32 bytes. Leaves: a bit per byte. Always true: all implementations give the same bits; which one runs
//! is chosen by what the processor can do, once, and never matters to the outcome.

#![expect(
    unsafe_code,
    reason = "vector instructions, and text that was found to be ASCII while it was searched"
)]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as arch;

/// Bytes in a window.
pub(crate) const WIDTH: usize = 32;

/// Bytes that are looked at together.
pub(crate) type Window = [u8; WIDTH];

/// What can be asked about a window; bit `i` is about byte `i`.
pub(crate) trait Lanes: Copy {
    /// The bytes that are the same in both.
    fn equal(self, one: &Window, other: &Window) -> u32;

    /// The bytes that end a plain string: a quote, or what is not plain: a backslash, a control byte, one beyond ASCII.
    fn stops(self, window: &Window) -> u32;

    /// The bytes that are one of these three.
    fn any(self, window: &Window, of: [u8; 3]) -> u32;
}

/// Lanes that every processor of this kind has: no choice has to be made before they are used.
#[cfg(target_arch = "x86_64")]
pub(crate) const COMMON: Sse2 = Sse2;
/// Lanes that every processor of this kind has: no choice has to be made before they are used.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const COMMON: Portable = Portable;

/// Work to be done with whatever lanes there are.
pub(crate) trait Work {
    /// What it gives.
    type Out;

    /// Does it. Must be `#[inline(always)]` to be compiled for the lanes.
    fn with<L: Lanes>(self, lanes: L) -> Self::Out;
}

/// The lanes of this processor.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Sse2(Sse2),
    #[cfg_attr(
        all(target_arch = "x86_64", not(test)),
        expect(dead_code, reason = "the tests hold it against the others")
    )]
    Portable(Portable),
}

impl Kind {
    /// The widest there are.
    pub(crate) fn detect() -> Kind {
        #[cfg(target_arch = "x86_64")]
        return Avx2::detect().map_or(Kind::Sse2(Sse2), Kind::Avx2);
        #[cfg(not(target_arch = "x86_64"))]
        return Kind::Portable(Portable);
    }

    /// Does `work`, compiled for these lanes.
    #[inline]
    pub(crate) fn run<W: Work>(self, work: W) -> W::Out {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a value of `Avx2` exists only where the processor has the features.
            Kind::Avx2(lanes) => unsafe { with_avx2(lanes, work) },
            #[cfg(target_arch = "x86_64")]
            Kind::Sse2(lanes) => work.with(lanes),
            Kind::Portable(lanes) => work.with(lanes),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn with_avx2<W: Work>(lanes: Avx2, work: W) -> W::Out {
    work.with(lanes)
}

/// 32 bytes in one register. A value is the proof that the processor has it.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

#[cfg(target_arch = "x86_64")]
impl Avx2 {
    fn detect() -> Option<Avx2> {
        let has_all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2");
        has_all.then_some(Avx2(()))
    }
}

#[cfg(target_arch = "x86_64")]
impl Lanes for Avx2 {
    #[inline(always)]
    fn equal(self, one: &Window, other: &Window) -> u32 {
        // SAFETY: the processor has AVX2, as `self` proves; both pointers are to 32 bytes, and loads need no alignment.
        unsafe {
            let one = arch::_mm256_loadu_si256(one.as_ptr().cast());
            let other = arch::_mm256_loadu_si256(other.as_ptr().cast());
            arch::_mm256_movemask_epi8(arch::_mm256_cmpeq_epi8(one, other)).cast_unsigned()
        }
    }

    #[inline(always)]
    fn stops(self, window: &Window) -> u32 {
        // SAFETY: as above.
        unsafe {
            let bytes = arch::_mm256_loadu_si256(window.as_ptr().cast());
            let quote = arch::_mm256_cmpeq_epi8(bytes, arch::_mm256_set1_epi8(b'"'.cast_signed()));
            let escape = arch::_mm256_cmpeq_epi8(bytes, arch::_mm256_set1_epi8(b'\\'.cast_signed()));
            // Signed: bytes beyond ASCII are below the controls.
            let low = arch::_mm256_cmpgt_epi8(arch::_mm256_set1_epi8(0x20), bytes);
            let stops = arch::_mm256_or_si256(arch::_mm256_or_si256(quote, escape), low);
            arch::_mm256_movemask_epi8(stops).cast_unsigned()
        }
    }

    #[inline(always)]
    fn any(self, window: &Window, of: [u8; 3]) -> u32 {
        // SAFETY: as above.
        unsafe {
            let bytes = arch::_mm256_loadu_si256(window.as_ptr().cast());
            let [a, b, c] =
                of.map(|byte| arch::_mm256_cmpeq_epi8(bytes, arch::_mm256_set1_epi8(byte.cast_signed())));
            arch::_mm256_movemask_epi8(arch::_mm256_or_si256(arch::_mm256_or_si256(a, b), c)).cast_unsigned()
        }
    }
}

/// Twice 16 bytes, which every x86-64 has.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sse2;

#[cfg(target_arch = "x86_64")]
impl Sse2 {
    /// The window's halves, and what `of` says of each.
    #[inline(always)]
    fn halves(window: &Window, of: impl Fn(arch::__m128i, usize) -> arch::__m128i) -> u32 {
        let half = |at: usize| {
            // SAFETY: SSE2 is part of x86-64; `at` is 0 or 16, so 16 bytes follow.
            unsafe {
                let bytes = arch::_mm_loadu_si128(window.as_ptr().add(at).cast());
                arch::_mm_movemask_epi8(of(bytes, at)).cast_unsigned()
            }
        };
        half(0) | half(16) << 16
    }
}

#[cfg(target_arch = "x86_64")]
impl Lanes for Sse2 {
    #[inline(always)]
    fn equal(self, one: &Window, other: &Window) -> u32 {
        Sse2::halves(one, |bytes, at| {
            // SAFETY: as above.
            unsafe { arch::_mm_cmpeq_epi8(bytes, arch::_mm_loadu_si128(other.as_ptr().add(at).cast())) }
        })
    }

    #[inline(always)]
    fn stops(self, window: &Window) -> u32 {
        Sse2::halves(window, |bytes, _| {
            // SAFETY: SSE2 is part of x86-64.
            unsafe {
                let quote = arch::_mm_cmpeq_epi8(bytes, arch::_mm_set1_epi8(b'"'.cast_signed()));
                let escape = arch::_mm_cmpeq_epi8(bytes, arch::_mm_set1_epi8(b'\\'.cast_signed()));
                let low = arch::_mm_cmplt_epi8(bytes, arch::_mm_set1_epi8(0x20));
                arch::_mm_or_si128(arch::_mm_or_si128(quote, escape), low)
            }
        })
    }

    #[inline(always)]
    fn any(self, window: &Window, of: [u8; 3]) -> u32 {
        Sse2::halves(window, |bytes, _| {
            // SAFETY: SSE2 is part of x86-64.
            unsafe {
                let [a, b, c] =
                    of.map(|byte| arch::_mm_cmpeq_epi8(bytes, arch::_mm_set1_epi8(byte.cast_signed())));
                arch::_mm_or_si128(arch::_mm_or_si128(a, b), c)
            }
        })
    }
}

/// Four words of eight bytes, on any processor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// The high bit of each byte that is zero; exact, since no carry leaves a byte.
fn zeros(word: u64) -> u64 {
    !(((word & !HIGH_BITS) + !HIGH_BITS) | word | !HIGH_BITS)
}

/// The high bits of the bytes, together.
fn gather(high: u64) -> u32 {
    ((high >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
}

impl Portable {
    #[inline(always)]
    fn words(window: &Window, of: impl Fn(u64, usize) -> u64) -> u32 {
        let words = window.as_chunks::<8>().0.iter().enumerate();
        words.fold(0, |bits, (at, word)| bits | gather(of(u64::from_le_bytes(*word), at)) << (8 * at))
    }
}

impl Lanes for Portable {
    #[inline(always)]
    fn equal(self, one: &Window, other: &Window) -> u32 {
        let other = other.as_chunks::<8>().0;
        Portable::words(one, |word, at| zeros(word ^ u64::from_le_bytes(other[at])))
    }

    #[inline(always)]
    fn stops(self, window: &Window) -> u32 {
        Portable::words(window, |word, _| {
            let quote = zeros(word ^ (LOW_BITS * u64::from(b'"')));
            let escape = zeros(word ^ (LOW_BITS * u64::from(b'\\')));
            let control = zeros(word & (LOW_BITS * 0xe0));
            quote | escape | control | (word & HIGH_BITS)
        })
    }

    #[inline(always)]
    fn any(self, window: &Window, of: [u8; 3]) -> u32 {
        Portable::words(window, |word, _| {
            let [a, b, c] = of.map(|byte| zeros(word ^ (LOW_BITS * u64::from(byte))));
            a | b | c
        })
    }
}

/// The plain string whose first byte is at `from`, and where its closing quote is.
#[inline(always)]
pub(crate) fn plain_string<L: Lanes>(lanes: L, text: &[u8], from: usize) -> Option<(&str, usize)> {
    let mut at = from;
    let end = loop {
        let rest = text.get(at..)?;
        if let Some(window) = rest.first_chunk() {
            let stops = lanes.stops(window);
            if stops != 0 {
                break at + stops.trailing_zeros() as usize;
            }
            at += WIDTH;
            continue;
        }
        // Near the end: the last window of the text, without what lies before `at`.
        let stops = match text.last_chunk() {
            Some(window) => u64::from(lanes.stops(window)) >> (WIDTH - rest.len()),
            None => {
                let mut window = [0; WIDTH];
                window[..rest.len()].copy_from_slice(rest);
                u64::from(lanes.stops(&window))
            }
        };
        break at + stops.trailing_zeros() as usize;
    };
    if text.get(end) != Some(&b'"') {
        return None;
    }
    // SAFETY: no byte from `from` to `end` stopped the search, so all of them are ASCII.
    Some((unsafe { std::str::from_utf8_unchecked(&text[from..end]) }, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the lanes of each kind say, all of which this processor has.
    fn kinds() -> Vec<Kind> {
        vec![
            Kind::Portable(Portable),
            #[cfg(target_arch = "x86_64")]
            Kind::Sse2(Sse2),
            Kind::detect(),
        ]
    }

    struct Stops<'w>(&'w Window);

    impl Work for Stops<'_> {
        type Out = u32;
        #[inline(always)]
        fn with<L: Lanes>(self, lanes: L) -> u32 {
            lanes.stops(self.0)
        }
    }

    struct Equal<'w>(&'w Window, &'w Window);

    impl Work for Equal<'_> {
        type Out = u32;
        #[inline(always)]
        fn with<L: Lanes>(self, lanes: L) -> u32 {
            lanes.equal(self.0, self.1)
        }
    }

    struct Any<'w>(&'w Window, [u8; 3]);

    impl Work for Any<'_> {
        type Out = u32;
        #[inline(always)]
        fn with<L: Lanes>(self, lanes: L) -> u32 {
            lanes.any(self.0, self.1)
        }
    }

    struct Plain<'t>(&'t [u8], usize);

    impl<'t> Work for Plain<'t> {
        type Out = Option<(&'t str, usize)>;
        #[inline(always)]
        fn with<L: Lanes>(self, lanes: L) -> Self::Out {
            plain_string(lanes, self.0, self.1)
        }
    }

    #[test]
    fn every_byte_at_every_place_is_told_alike() {
        for kind in kinds() {
            for byte in 0..=u8::MAX {
                let is_stop = byte == b'"' || byte == b'\\' || !(0x20..0x80).contains(&byte);
                for at in 0..WIDTH {
                    let (plain, mut window) = ([b'a'; WIDTH], [b'a'; WIDTH]);
                    window[at] = byte;
                    let bit = 1 << at;
                    assert_eq!(kind.run(Stops(&window)), u32::from(is_stop) * bit, "{kind:?} {byte} {at}");
                    let same = u32::MAX ^ (u32::from(byte != b'a') * bit);
                    assert_eq!(kind.run(Equal(&window, &plain)), same, "{kind:?} {byte} {at}");
                    for of in [[byte, 1, 2], [1, byte, 2], [1, 2, byte]] {
                        let told = if byte == b'a' { u32::MAX } else { bit };
                        assert_eq!(kind.run(Any(&window, of)), told, "{kind:?} {byte} {at}");
                    }
                }
            }
            assert_eq!(kind.run(Stops(&[0; WIDTH])), u32::MAX);
        }
    }

    #[test]
    fn plain_strings_end_at_their_quote_wherever_the_text_ends() {
        for kind in kinds() {
            for before in 0..40 {
                for length in 0..100 {
                    for after in [0, 1, 31, 32, 40] {
                        let text = ["x".repeat(before), "a".repeat(length), "\"".into(), "\"".repeat(after)];
                        let text = text.concat();
                        let want = Some((&text[before..before + length], before + length));
                        assert_eq!(kind.run(Plain(text.as_bytes(), before)), want);
                        let cut = &text.as_bytes()[..before + length];
                        assert_eq!(kind.run(Plain(cut, before)), None, "no quote");
                        for wrong in [b'\\', b'\n', 0x80, 0] {
                            let mut bytes = text.clone().into_bytes();
                            bytes[before + length] = wrong;
                            assert_eq!(kind.run(Plain(&bytes, before)), None, "{wrong} before the quote");
                        }
                    }
                }
            }
            assert_eq!(kind.run(Plain(b"a\"", 3)), None, "beyond the end");
        }
    }
}
