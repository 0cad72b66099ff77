//! `demo`
use std::error::Error;
pub(crate) async fn run(_once: bool) -> Result<(), Box<dyn Error>> {
    Ok(())
}
