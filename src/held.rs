//! Bytes of a body that is read before it goes on.

use std::mem;

use bytes::{Bytes, BytesMut};

/// One chunk is kept as it came; several are put together once and for all, so that a body that comes in crumbs takes no
/// more room than its bytes.
#[derive(Debug)]
pub(crate) struct Held(Chunks);

#[derive(Debug)]
enum Chunks {
    One(Bytes),
    Several(BytesMut),
}

impl Held {
    pub(crate) const fn new() -> Self {
        Self(Chunks::One(Bytes::new()))
    }

    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Chunks::One(chunk) => chunk.len(),
            Chunks::Several(chunks) => chunks.len(),
        }
    }

    pub(crate) fn push(&mut self, data: Bytes) {
        match &mut self.0 {
            _ if data.is_empty() => {}
            Chunks::One(chunk) if chunk.is_empty() => *chunk = data,
            Chunks::One(chunk) => {
                let mut chunks = BytesMut::with_capacity((chunk.len() + data.len()).next_power_of_two());
                chunks.extend_from_slice(chunk);
                chunks.extend_from_slice(&data);
                self.0 = Chunks::Several(chunks);
            }
            Chunks::Several(chunks) => chunks.extend_from_slice(&data),
        }
    }

    /// All of it. Nothing is left.
    pub(crate) fn take(&mut self) -> Bytes {
        match mem::replace(self, Self::new()).0 {
            Chunks::One(chunk) => chunk,
            Chunks::Several(chunks) => chunks.freeze(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_chunk_is_not_copied_and_several_are_in_order() {
        let (mut held, chunk) = (Held::new(), Bytes::from(vec![b'a'; 9]));
        held.push(Bytes::new());
        held.push(chunk.clone());
        assert_eq!(held.len(), 9);
        let taken = held.take();
        assert_eq!((taken.as_ptr(), held.len()), (chunk.as_ptr(), 0));

        for crumb in ["a", "", "bc", "d"] {
            held.push(Bytes::from_static(crumb.as_bytes()));
        }
        assert_eq!((held.len(), held.take()), (4, Bytes::from("abcd")));
    }
}
