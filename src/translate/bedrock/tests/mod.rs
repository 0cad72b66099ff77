mod arbitrary;
mod golden;
mod requests;
mod streams;

use std::{fs, path::PathBuf};

use serde_json::Value;

use super::{About, Rewrite, StreamFault, chat};

/// A file of the shared vectors. `None` on a clone that stands alone.
fn vectors(name: &str) -> Option<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors").join(name);
    Some(serde_json::from_slice(&fs::read(path).ok()?).expect("JSON"))
}

fn about(model: &str, strict: bool) -> About {
    About { id: "chatcmpl-1".into(), created: 1, model: model.into(), strict }
}

/// What Converse is asked, or why it isn't.
fn asked(body: &Value) -> Result<Value, String> {
    let chat = chat(body.to_string().as_bytes(), None).map_err(|fault| fault.to_string())?;
    Ok(serde_json::from_slice(&chat.body).expect("JSON"))
}

/// What becomes of a stream that comes in these pieces, and how it ends.
fn streamed<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    strict: bool,
    include_usage: bool,
) -> (Vec<u8>, Result<(), StreamFault>) {
    let mut stream = Rewrite::chat(about("m", strict), include_usage);
    let mut out = Vec::new();
    for piece in pieces {
        if let Err(fault) = stream.push(piece, &mut out) {
            return (out, Err(fault));
        }
    }
    let end = stream.end(&mut out);
    (out, end)
}

/// The data of the events.
fn events(out: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(out).expect("UTF-8");
    assert!(out.is_empty() || text.ends_with("\n\n"));
    let events = text.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").expect("data"));
    events.map(|data| if data == "[DONE]" { data.into() } else { serde_json::from_str(data).expect("JSON") }).collect()
}
