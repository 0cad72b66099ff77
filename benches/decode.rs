//! From header lines to typed context: the requests of three clients, and the two values that have a syntax. What reading a
//! request costs is its figure less that of the leaf above it.

mod shared;

use std::{error::Error, hint::black_box};

use shared::{Leaf, bench};
use tower::Layer;
use tower_portkey::{
    ExtractLayer,
    context::{Metadata, list},
};

fn main() -> Result<(), Box<dyn Error>> {
    let key = "not-a-real-key-for-ci";
    let extract = ExtractLayer::new().layer(Leaf);

    let mut criterion = shared::criterion();
    for (client, request) in
        [("minimal", shared::minimal(key)?), ("python", shared::python(key)?), ("node", shared::node(key)?)]
    {
        bench(&mut criterion, &format!("leaf/{client}"), Leaf, &request);
        bench(&mut criterion, &format!("headers/{client}"), extract.clone(), &request);
    }
    criterion.bench_function("list", |bencher| {
        bencher.iter(|| list(black_box("['X-Request-Source', 'X-Tenant', 'X-Region']")).map(str::len).sum::<usize>());
    });
    criterion.bench_function("metadata", |bencher| {
        bencher.iter(|| Metadata::from_json(black_box(shared::METADATA.as_bytes())));
    });
    criterion.final_summary();
    Ok(())
}
