//! Bytes of a body that is read before it goes on.

use std::mem;

use bytes::Bytes;

/// One chunk is kept as it came; several are put together once and for all, so that a body that comes in crumbs takes no
/// more room than its bytes.
#[derive(Debug)]
pub(crate) struct Held(Chunks);

#[derive(Debug)]
enum Chunks {
    One(Bytes),
    Several(Vec<u8>),
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

    /// How much more memory is held once this much has been added: room is made twice as large each time, and counts.
    pub(crate) fn cost(&self, more: usize) -> usize {
        match &self.0 {
            Chunks::One(chunk) if chunk.is_empty() || more == 0 => more,
            Chunks::One(chunk) => grown(0, chunk.len().saturating_add(more)).saturating_sub(chunk.len()),
            Chunks::Several(chunks) => {
                grown(chunks.capacity(), chunks.len().saturating_add(more)).saturating_sub(chunks.capacity())
            }
        }
    }

    pub(crate) fn push(&mut self, data: Bytes) {
        match &mut self.0 {
            _ if data.is_empty() => {}
            Chunks::One(chunk) if chunk.is_empty() => *chunk = data,
            Chunks::One(chunk) => {
                let mut chunks = Vec::with_capacity(grown(0, chunk.len() + data.len()));
                chunks.extend_from_slice(chunk);
                chunks.extend_from_slice(&data);
                self.0 = Chunks::Several(chunks);
            }
            Chunks::Several(chunks) => {
                let room = grown(chunks.capacity(), chunks.len() + data.len());
                chunks.reserve_exact(room - chunks.len());
                chunks.extend_from_slice(&data);
            }
        }
    }

    /// All of it. Nothing is left.
    pub(crate) fn take(&mut self) -> Bytes {
        match mem::replace(self, Self::new()).0 {
            Chunks::One(chunk) => chunk,
            Chunks::Several(chunks) => chunks.into(),
        }
    }
}

/// The room for so many bytes, where there is some already.
fn grown(room: usize, length: usize) -> usize {
    if length <= room { room } else { length.max(room.saturating_mul(2)) }
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

    #[test]
    fn what_is_held_is_what_was_said() {
        let (mut held, mut cost) = (Held::new(), 0);
        for crumb in [100, 1, 0, 200, 1, 1, 400] {
            cost += held.cost(crumb);
            held.push(Bytes::from(vec![0; crumb]));
            let room = match &held.0 {
                Chunks::One(chunk) => chunk.len(),
                Chunks::Several(chunks) => chunks.capacity(),
            };
            assert_eq!((cost, room >= held.len()), (room, true));
        }
    }
}
