//! Embeddings of Titan and Cohere become OpenAI's (pure).

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{
    Deserialize, Deserializer as _, Serialize,
    de::{Error as _, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    embed::{MOST_TEXTS, Maker, Shape},
    read,
};

/// The answers so far.
#[derive(Debug, Default)]
pub(crate) struct Embeddings {
    data: Vec<Box<RawValue>>,
    tokens: u64,
}

impl Embeddings {
    /// Takes the answer of one call; `counted` is AWS's header `x-amzn-bedrock-input-token-count`. `None` where it is no
    /// answer of the vendor's.
    pub(crate) fn add(&mut self, body: &[u8], counted: Option<u64>, shape: &Shape) -> Option<()> {
        let before = self.data.len();
        let tokens = match shape.vendor {
            Maker::Titan => self.titan(body)?,
            Maker::Cohere => self.cohere(body)?,
        };
        self.tokens = self.tokens.saturating_add(tokens.or(counted).unwrap_or(0));
        if shape.base64 {
            for embedding in &mut self.data[before..] {
                let floats: Vec<f32> = serde_json::from_str(embedding.get()).ok()?;
                *embedding = serde_json::value::to_raw_value(&base64(&floats)).ok()?;
            }
        }
        (self.data.len() > before).then_some(())
    }

    /// OpenAI's answer.
    pub(crate) fn into_body(self, model: &str) -> Vec<u8> {
        #[derive(Serialize)]
        struct List<'a> {
            object: &'static str,
            data: Vec<Item<'a>>,
            provider: &'static str,
            model: &'a str,
            usage: Usage,
        }
        #[derive(Serialize)]
        struct Item<'a> {
            object: &'static str,
            embedding: &'a RawValue,
            index: usize,
        }
        #[derive(Serialize)]
        struct Usage {
            prompt_tokens: u64,
            total_tokens: u64,
        }

        let item = |(index, embedding)| Item { object: "embedding", embedding, index };
        let data = self.data.iter().map(|embedding| &**embedding).enumerate().map(item).collect();
        let usage = Usage { prompt_tokens: self.tokens, total_tokens: self.tokens };
        // JSON that was read, strings and numbers always serialise.
        serde_json::to_vec(&List { object: "list", data, provider: "bedrock", model, usage }).unwrap_or_default()
    }

    fn titan(&mut self, body: &[u8]) -> Option<Option<u64>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer<'a> {
            embedding: Option<Box<RawValue>>,
            #[serde(borrow)]
            embeddings_by_type: Option<&'a RawValue>,
            input_text_token_count: Option<u64>,
        }

        let Answer { embedding, embeddings_by_type, input_text_token_count } = serde_json::from_slice(body).ok()?;
        let by_type = || Some(read::members(embeddings_by_type?).ok()?.first()?.1.to_owned());
        self.data.push(embedding.or_else(by_type)?);
        Some(input_text_token_count)
    }

    fn cohere(&mut self, body: &[u8]) -> Option<Option<u64>> {
        #[derive(Deserialize)]
        struct Answer<'a> {
            #[serde(borrow)]
            embeddings: &'a RawValue,
        }

        let Answer { embeddings } = serde_json::from_slice(body).ok()?;
        if read::is_list(embeddings) {
            self.data.extend(few(embeddings)?);
        } else {
            let by_type = read::members(embeddings).ok()?;
            let (_, first) = by_type.iter().find(|(name, _)| name == "float").or_else(|| by_type.first())?;
            self.data.extend(few(first)?);
        }
        Some(None)
    }
}

/// As many embeddings as one call can have: a list of more, each of them short, would take many times its length.
fn few(raw: &RawValue) -> Option<Vec<Box<RawValue>>> {
    struct Few;

    impl<'de> Visitor<'de> for Few {
        type Value = Vec<Box<RawValue>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of embeddings")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut found = Vec::new();
            while let Some(embedding) = list.next_element()? {
                if found.len() == MOST_TEXTS {
                    return Err(A::Error::custom("more embeddings than texts"));
                }
                found.push(embedding);
            }
            Ok(found)
        }
    }

    serde_json::Deserializer::from_str(raw.get()).deserialize_seq(Few).ok()
}

/// Little-endian floats in base64 (RFC 4648, section 4), as OpenAI sends embeddings.
fn base64(floats: &[f32]) -> String {
    STANDARD.encode(floats.iter().flat_map(|float| float.to_le_bytes()).collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_in_base64() {
        for (floats, expected) in [
            (&[][..], ""),
            (&[1.0], "AACAPw=="),
            (&[1.0, -0.5], "AACAPwAAAL8="),
            (&[0.1, 0.2, 0.3], "zczMPc3MTD6amZk+"),
        ] {
            assert_eq!(base64(floats), expected);
        }
    }
}
