//! Tokens that were found good: shown again, one costs a digest and a look-up.

use std::{hash::BuildHasherDefault, sync::Arc, time::SystemTime};

use quick_cache::{
    Weighter,
    sync::{Cache, DefaultLifecycle},
};

use crate::{
    auth::keys::{Digest, FirstBytes, quick_digest},
    context::Principal,
};

/// Memory that the entries may take together, about.
const MOST_BYTES: u64 = 24 * 1024 * 1024;
/// What an entry takes beside what its token says.
const ENTRY: u64 = 512;
/// What a scope, a label or a limit takes beside its text: a label stands in two maps.
const PIECE: u64 = 192;

/// By keyed BLAKE3 of the whole token, key random per validator. The token determines organisation and `kid`, so they need
/// no place in the digest; that the key set is still the same one is compared in the entry.
///
/// Bounded, and without entries for tokens that are refused: those cost nobody else's place.
pub(super) struct TokenCache {
    key: [u8; 32],
    entries: Entries,
}

type Entries =
    Cache<Digest, Arc<Entry>, ByLength, BuildHasherDefault<FirstBytes>, DefaultLifecycle<Digest, Arc<Entry>>>;

/// A good token.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) principal: Principal,
    /// From when on the token is over.
    pub(super) ends: SystemTime,
    /// The place of its organisation.
    pub(super) organisation: usize,
    /// The generation of the key set that it was checked with.
    pub(super) generation: u64,
    pub(super) subject: Option<Box<str>>,
    pub(super) id: Option<Box<str>>,
    pub(super) length: usize,
}

#[derive(Clone)]
struct ByLength;

impl Weighter<Digest, Arc<Entry>> for ByLength {
    fn weight(&self, _: &Digest, entry: &Arc<Entry>) -> u64 {
        let who = &entry.principal;
        let pieces = who.scopes().count() + who.metadata().iter().count();
        let pieces = pieces + who.usage_limits().len() + who.rate_limits().len();
        // The claims as they are, and those that became something else.
        let claims = who.claims().map_or(0, |claims| claims.as_json().len());
        ENTRY + PIECE * pieces as u64 + (claims + entry.length) as u64
    }
}

impl TokenCache {
    pub(super) fn new(key: [u8; 32]) -> Self {
        let entries =
            Entries::with(1024, MOST_BYTES, ByLength, BuildHasherDefault::default(), DefaultLifecycle::default());
        Self { key, entries }
    }

    pub(super) fn digest(&self, token: &str) -> Digest {
        quick_digest(&self.key, token)
    }

    pub(super) fn get(&self, digest: &Digest) -> Option<Arc<Entry>> {
        self.entries.get(digest)
    }

    pub(super) fn insert(&self, digest: Digest, entry: Entry) {
        self.entries.insert(digest, Arc::new(entry));
    }

    pub(super) fn remove(&self, digest: &Digest) {
        self.entries.remove(digest);
    }
}
