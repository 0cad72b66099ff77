//! RSA keys of chips that made primes of one form (ROCA, CVE-2017-15361): whoever has the public half can find the other.

/// Small primes, and for each whether a remainder is a power of 65537 is what gives the keys away (Nemec et al., "The
/// Return of Coppersmith's Attack", section 5).
const PRIMES: [u32; 17] = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

/// Whether a modulus has the fingerprint. One key in 2^27 that is sound has it by chance.
pub(super) fn is_weak(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| {
        let remainder = modulus.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        is_power(remainder, *prime)
    })
}

/// Whether `number` is a power of 65537 modulo `prime`.
fn is_power(number: u32, prime: u32) -> bool {
    let (generator, mut power) = (65_537 % prime, 1);
    for _ in 0..prime {
        if power == number {
            return true;
        }
        power = power * generator % prime;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_such_primes_have_the_fingerprint() {
        // A power of 65537 modulo each of the primes: 65537 itself.
        assert!(is_weak(&[1, 0, 1]));
        assert!(!is_weak(&[3]) && !is_weak(&[0xff; 256]));
    }
}
