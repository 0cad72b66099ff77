//! The whole of `PortkeyLayer` in front of a leaf that answers at once, with a thousand keys: what authentication,
//! configuration and routing add to a request in a gateway. No socket, no runtime.

mod shared;

use std::error::Error;

use shared::{Leaf, bench};
use tower::Layer;
use tower_portkey::{PortkeyAuthLayer, PortkeyLayer};

fn main() -> Result<(), Box<dyn Error>> {
    let (keys, key) = shared::keys()?;
    let stack = PortkeyLayer::builder().auth(PortkeyAuthLayer::new(keys.clone())).build();
    let stored = PortkeyLayer::builder().auth(PortkeyAuthLayer::new(keys)).entries(shared::entries()?).build();

    let mut criterion = shared::criterion();
    let (bearer, config) = (shared::python(&key)?, shared::python_config(&key)?);
    bench(&mut criterion, "leaf", Leaf, &bearer);
    bench(&mut criterion, "stack/bearer", stack.layer(Leaf), &bearer);
    bench(&mut criterion, "stack/config json", stack.layer(Leaf), &config);
    bench(&mut criterion, "stack/entry in header", stored.layer(Leaf), &shared::python_entry(&key, false)?);
    bench(&mut criterion, "stack/entry in body", stored.layer(Leaf), &shared::python_entry(&key, true)?);
    criterion.final_summary();
    Ok(())
}
