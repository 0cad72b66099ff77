//! What a model's id says about how it is asked.

use percent_encoding::percent_decode_str;

/// AWS's own limit, in bytes.
pub(super) const LONGEST_MODEL: usize = 2048;

/// Who made a model, as far as it changes the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vendor {
    Anthropic,
    Cohere,
    Ai21,
    Amazon,
    Other,
}

/// The regions that inference profiles begin with.
const REGIONS: [&str; 8] = ["us-gov.", "us.", "eu.", "apac.", "au.", "ca.", "jp.", "global."];

/// `vendor.name` out of a base model's id, an inference profile's, or the ARN of either. Ids of application profiles and
/// of imported or provisioned models don't say whose model they stand for.
fn base(model: &str) -> String {
    let model = percent_decode_str(model).decode_utf8_lossy();
    let id = if model.starts_with("arn:") { model.rsplit('/').next().unwrap_or_default() } else { &model };
    REGIONS.iter().find_map(|region| id.strip_prefix(region)).unwrap_or(id).to_owned()
}

pub(super) fn vendor(model: &str) -> Vendor {
    match base(model).split('.').next() {
        Some("anthropic") => Vendor::Anthropic,
        Some("cohere") => Vendor::Cohere,
        Some("ai21") => Vendor::Ai21,
        Some("amazon") => Vendor::Amazon,
        _ => Vendor::Other,
    }
}

/// How a Claude is told to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinking {
    /// It can't.
    None,
    /// By a budget of tokens.
    Budget,
    /// As much as it sees fit, by an effort.
    Adaptive,
}

pub(super) fn thinking(model: &str) -> Thinking {
    if vendor(model) != Vendor::Anthropic {
        return Thinking::None;
    }
    match claude(&base(model)) {
        version if version >= (4, 6) => Thinking::Adaptive,
        version if version >= (3, 7) => Thinking::Budget,
        _ => Thinking::None,
    }
}

/// Major and minor version: `claude-3-7-sonnet-20250219-v1:0`, `claude-opus-4-20250514-v1:0`, `claude-sonnet-4-5-…`.
fn claude(base: &str) -> (u8, u8) {
    let number = |part: &str| part.parse::<u8>().ok().filter(|_| part.len() <= 2);
    let mut parts = base.split('-').skip_while(|part| number(part).is_none());
    let major = parts.next().and_then(number).unwrap_or(0);
    (major, parts.next().and_then(number).unwrap_or(0))
}

/// Whether a Titan model is version 2 of the text embeddings, which alone takes `embeddingTypes` and `normalize`.
pub(super) fn is_titan_v2(model: &str) -> bool {
    base(model).starts_with("amazon.titan-embed-text-v2")
}

/// Whether a Titan model embeds images, too.
pub(super) fn is_titan_image(model: &str) -> bool {
    base(model).starts_with("amazon.titan-embed-image")
}

pub(super) fn is_titan(model: &str) -> bool {
    let base = base(model);
    base.starts_with("amazon.titan-embed") || base.starts_with("amazon.titan-e1")
}

pub(super) fn is_cohere_v4(model: &str) -> bool {
    base(model).starts_with("cohere.embed-v4")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_and_versions() {
        for (model, of, thinks) in [
            ("anthropic.claude-3-5-sonnet-20241022-v2:0", Vendor::Anthropic, Thinking::None),
            ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", Vendor::Anthropic, Thinking::Budget),
            ("us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", Vendor::Anthropic, Thinking::Budget),
            ("global.anthropic.claude-opus-4-6-v1", Vendor::Anthropic, Thinking::Adaptive),
            ("anthropic.claude-opus-4-20250514-v1:0", Vendor::Anthropic, Thinking::Budget),
            ("anthropic.claude-v2:1", Vendor::Anthropic, Thinking::None),
            ("anthropic.claude-opus-5", Vendor::Anthropic, Thinking::Adaptive),
            (
                "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
                Vendor::Anthropic,
                Thinking::None,
            ),
            (
                "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Feu.anthropic.claude-sonnet-4-6",
                Vendor::Anthropic,
                Thinking::Adaptive,
            ),
            ("arn:aws:bedrock:us-east-1:1:application-inference-profile/a1b2c3", Vendor::Other, Thinking::None),
            ("cohere.command-r-v1:0", Vendor::Cohere, Thinking::None),
            ("ai21.jamba-1-5-large-v1:0", Vendor::Ai21, Thinking::None),
            ("us.amazon.nova-pro-v1:0", Vendor::Amazon, Thinking::None),
            ("meta.llama3-1-8b-instruct-v1:0", Vendor::Other, Thinking::None),
            ("100%", Vendor::Other, Thinking::None),
        ] {
            assert_eq!((vendor(model), thinking(model)), (of, thinks), "{model}");
        }
    }
}
