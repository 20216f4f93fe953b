//! The world's dice: xoshiro256++, seeded by splitmix64.
//!
//! Always true: the sequence of a seed never changes, on any machine or version; nothing here uses floats.

/// A stream of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Rng([u64; 4]);

/// Scrambles 64 bits (the finaliser of splitmix64).
pub(crate) fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Rng {
    /// The stream number `stream` of a seed: streams are independent of each other.
    pub(crate) fn of(seed: u64, stream: u64) -> Rng {
        let mut at = mix(seed) ^ mix(stream.wrapping_mul(0xd1b5_4a32_d192_ed03));
        Rng([(); 4].map(|()| {
            at = at.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mix(at)
        }))
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "a range needs a number");
        let wide = u128::from(self.next()) * u128::from(n);
        u64::try_from(wide >> 64).expect("the upper half")
    }

    /// A number of `low..=high`.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        assert!(low <= high, "{low} to {high} is no range");
        low.wrapping_add_unsigned(self.below(high.abs_diff(low) + 1))
    }

    /// True in `per_mille` of 1,000 cases.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// One of them.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let at = self.below(from.len() as u64);
        from[usize::try_from(at).expect("below a length")]
    }

    /// One of them, by weight.
    pub(crate) fn weighted<T: Copy>(&mut self, from: &[(u64, T)]) -> T {
        let mut roll = self.below(from.iter().map(|(weight, _)| weight).sum());
        for (weight, item) in from {
            if roll < *weight {
                return *item;
            }
            roll -= weight;
        }
        unreachable!("the roll is below the sum of the weights")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_for_ever() {
        let mut rng = Rng::of(1, 2);
        let seen: Vec<u64> = (0..4).map(|_| rng.below(1_000_000)).collect();
        assert_eq!(seen, [760_280, 695_671, 707_558, 547_135]);
        // The first output of splitmix64 for seed 0, as published.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn ranges_hold_their_ends() {
        let mut rng = Rng::of(7, 0);
        let seen: std::collections::BTreeSet<i64> = (0..1000).map(|_| rng.between(-2, 2)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-2, -1, 0, 1, 2]);
        assert!((0..1000).filter(|_| rng.chance(500)).count().abs_diff(500) < 100);
    }
}
