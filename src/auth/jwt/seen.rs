//! Names that stand twice, found without memory of the size of the input.

/// The names of an object so far, up to `N`.
pub(super) struct Seen<const N: usize> {
    hashes: [u64; N],
    count: usize,
}

impl<const N: usize> Seen<N> {
    pub(super) fn new() -> Self {
        Self { hashes: [0; N], count: 0 }
    }

    /// Notes a name. `false` where it has stood there before, or where there are more names than anybody needs. Who
    /// finds two names of one hash only has his own token refused.
    pub(super) fn is_new(&mut self, name: &str) -> bool {
        let hash = fnv(name.as_bytes());
        let (known, free) = self.hashes.split_at_mut(self.count);
        match free.first_mut() {
            Some(place) if !known.contains(&hash) => {
                *place = hash;
                self.count += 1;
                true
            }
            _ => false,
        }
    }
}

/// FNV-1a.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_new_once_and_there_is_an_end() {
        let mut seen = Seen::<3>::new();
        for (name, new) in [("a", true), ("b", true), ("a", false), ("", true), ("c", false)] {
            assert_eq!(seen.is_new(name), new, "{name}");
        }
    }
}
