//! Images, videos, sounds and documents: from OpenAI's URLs and files to Converse's blocks.

use std::{borrow::Cow, collections::HashSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    converse::{Block, Document, Media, S3Location, Source},
    fault::{Fault, Within as _},
    format::Format,
    read,
};

/// AWS's limit for the name of a document, in characters.
const LONGEST_NAME: usize = 200;

/// Blocks out of parts. Documents have to have a name, and each another one: those without are counted.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    documents: usize,
    names: HashSet<String>,
}

impl Shelf {
    /// `image_url`: an object with a `url`, or the URL itself. Data URLs, and `s3://` beside a `mime_type`.
    pub(super) fn image_url<'a>(&mut self, raw: &'a RawValue) -> Result<Block<'a>, Fault> {
        #[derive(Deserialize)]
        struct ImageUrl<'a> {
            #[serde(borrow)]
            url: Option<&'a RawValue>,
            #[serde(borrow)]
            mime_type: Option<&'a RawValue>,
            #[serde(borrow, alias = "bucket_owner", rename = "bucketOwner")]
            bucket_owner: Option<&'a RawValue>,
        }

        if read::is_text(raw) {
            return self.url(read::text(raw)?, None, None, None);
        }
        let ImageUrl { url, mime_type, bucket_owner } = read::object(raw)?;
        let url = read::text(url.ok_or_else(|| Fault::at("url", "is missing"))?).within("url")?;
        let mime_type = mime_type.map(read::text).transpose().within("mime_type")?;
        let owner = bucket_owner.map(read::text).transpose().within("bucketOwner")?;
        self.url(url, mime_type.as_deref(), owner, None).within("url")
    }

    /// `file`: OpenAI's `file_data` and `filename`, Portkey's `file_url`, `file_name` and `mime_type`.
    pub(super) fn file<'a>(&mut self, raw: &'a RawValue) -> Result<Block<'a>, Fault> {
        #[derive(Deserialize)]
        struct File<'a> {
            #[serde(borrow)]
            file_data: Option<&'a RawValue>,
            #[serde(borrow)]
            file_url: Option<&'a RawValue>,
            #[serde(borrow)]
            file_id: Option<&'a RawValue>,
            #[serde(borrow)]
            file_name: Option<&'a RawValue>,
            #[serde(borrow)]
            filename: Option<&'a RawValue>,
            #[serde(borrow)]
            mime_type: Option<&'a RawValue>,
        }

        let File { file_data, file_url, file_id, file_name, filename, mime_type } = read::object(raw)?;
        let mime_type = mime_type.map(read::text).transpose().within("mime_type")?;
        let name = file_name.map(|raw| read::text(raw).within("file_name"));
        let name = name.or_else(|| filename.map(|raw| read::text(raw).within("filename"))).transpose()?;
        if let Some(raw) = file_url {
            let url = read::text(raw).within("file_url")?;
            let media_type = mime_type.as_deref().unwrap_or("application/pdf");
            return self.url(url, Some(media_type), None, name.as_deref()).within("file_url");
        }
        if file_id.is_some() {
            return Err(Fault::at("file_id", "names a file that AWS doesn't have; send file_data"));
        }
        let raw = file_data.ok_or_else(|| Fault::at("file_data", "is missing"))?;
        let data = read::text(raw).within("file_data")?;
        if is_data_url(&data) {
            return self.url(data, mime_type.as_deref(), None, name.as_deref()).within("file_data");
        }
        let format = Format::of(mime_type.as_deref().unwrap_or("application/pdf")).within("mime_type")?;
        let source = bytes(data).within("file_data")?;
        Ok(self.block(format, source, name.as_deref()))
    }

    /// `input_audio`: base64 in `data`, and its `format`.
    pub(super) fn input_audio<'a>(&mut self, raw: &'a RawValue) -> Result<Block<'a>, Fault> {
        #[derive(Deserialize)]
        struct Audio<'a> {
            #[serde(borrow)]
            data: Option<&'a RawValue>,
            #[serde(borrow)]
            format: Option<&'a RawValue>,
        }

        let Audio { data, format } = read::object(raw)?;
        let data = read::text(data.ok_or_else(|| Fault::at("data", "is missing"))?).within("data")?;
        let format = read::text(format.ok_or_else(|| Fault::at("format", "is missing"))?).within("format")?;
        let format = Format::of(&format!("audio/{format}")).within("format")?;
        Ok(self.block(format, bytes(data).within("data")?, None))
    }

    fn url<'a>(
        &mut self,
        url: Cow<'a, str>,
        mime_type: Option<&str>,
        bucket_owner: Option<Cow<'a, str>>,
        name: Option<&str>,
    ) -> Result<Block<'a>, Fault> {
        if url.starts_with("s3://") {
            let media_type = mime_type.ok_or_else(|| Fault::new("is in S3, so a mime_type has to stand beside it"))?;
            let source = Source::S3(S3Location { uri: url, bucket_owner });
            return Ok(self.block(Format::of(media_type)?, source, name));
        }
        if !is_data_url(&url) {
            return Err(Fault::new(
                "must be a data URL or an s3:// one: Converse fetches nothing, nor does the gateway",
            ));
        }
        let comma = url.find(',').ok_or_else(|| Fault::new("is no data URL"))?;
        let head = &url["data:".len()..comma];
        let coded = head.len().checked_sub(";base64".len()).and_then(|at| head.get(at..));
        if !coded.is_some_and(|coding| coding.eq_ignore_ascii_case(";base64")) {
            return Err(Fault::new("must be base64"));
        }
        let own = &head[..head.len() - ";base64".len()];
        // RFC 2397: without a media type it is plain text.
        let own = if own.is_empty() || own.starts_with(';') { "text/plain" } else { own };
        let format = Format::of(mime_type.unwrap_or(own))?;
        let source = bytes(after(url, comma + 1))?;
        Ok(self.block(format, source, name))
    }

    fn block<'a>(&mut self, format: Format, source: Source<'a>, name: Option<&str>) -> Block<'a> {
        match format {
            Format::Image(format) => Block::Image(Media { format, source }),
            Format::Video(format) => Block::Video(Media { format, source }),
            Format::Audio(format) => Block::Audio(Media { format, source }),
            Format::Document(format) => Block::Document(Document { format, name: self.name(name), source }),
        }
    }

    /// A name as AWS wants it: letters and digits, single spaces, hyphens, parentheses and brackets.
    fn name(&mut self, wanted: Option<&str>) -> String {
        self.documents += 1;
        let number = self.documents;
        let stem = wanted.map(|name| name.rsplit_once('.').map_or(name, |(stem, _)| stem)).unwrap_or_default();
        let kept = |letter: char| letter.is_ascii_alphanumeric() || "-()[]".contains(letter);
        let plain: String =
            stem.chars().take(LONGEST_NAME / 2).map(|letter| if kept(letter) { letter } else { ' ' }).collect();
        let mut name = plain.split_whitespace().collect::<Vec<_>>().join(" ");
        if name.is_empty() {
            name = format!("document-{number}");
        }
        while !self.names.insert(name.clone()) {
            name = format!("{name}-{number}");
        }
        name
    }
}

fn is_data_url(text: &str) -> bool {
    text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// The rest of a text, without a copy where it is borrowed.
fn after(text: Cow<'_, str>, at: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[at..]),
        Cow::Owned(text) => Cow::Owned(text[at..].to_owned()),
    }
}

fn bytes(data: Cow<'_, str>) -> Result<Source<'_>, Fault> {
    if is_base64(data.as_bytes()) { Ok(Source::Bytes(data)) } else { Err(Fault::new("is no padded base64")) }
}

/// RFC 4648, section 4, padded and not empty.
fn is_base64(text: &[u8]) -> bool {
    let end = text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(*byte, b'+' | b'/');
    !text.is_empty() && text.len() % 4 == 0 && text[..text.len() - end].iter().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn image_url(value: &Value) -> Result<Value, String> {
        let raw = serde_json::value::to_raw_value(value).expect("JSON");
        let block = Shelf::default().image_url(&raw).map_err(|fault| fault.to_string())?;
        Ok(serde_json::to_value(block).expect("JSON"))
    }

    #[test]
    fn media_types_become_what_converse_calls_them() {
        for (media_type, kind, format) in [
            ("image/png", "image", "png"),
            ("IMAGE/JPG", "image", "jpeg"),
            ("image/gif", "image", "gif"),
            ("text/plain", "document", "txt"),
            ("text/plain;charset=utf-8", "document", "txt"),
            ("text/markdown", "document", "md"),
            ("", "document", "txt"),
            ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "document", "docx"),
            ("video/quicktime", "video", "mov"),
        ] {
            let block = image_url(&json!({"url": format!("data:{media_type};base64,aGk=")})).expect(media_type);
            assert_eq!(block[kind]["format"], format, "{media_type}");
            assert_eq!(block[kind]["source"], json!({"bytes": "aGk="}), "{media_type}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        for (value, member) in [
            (json!({"url": "https://e.example/a.png"}), "url must be a data URL"),
            (json!({"url": "data:image/bmp;base64,aGk="}), "url is of a media type"),
            (json!({"url": "data:image/png,aGk="}), "url must be base64"),
            (json!({"url": "data:image/png;base64"}), "url is no data URL"),
            (json!({"url": "data:image/png;base64,"}), "url is no padded base64"),
            (json!({"url": "data:image/png;base64,aGk"}), "url is no padded base64"),
            (json!({"url": "data:image/png;base64,a=Gk"}), "url is no padded base64"),
            (json!({"url": "s3://b/k"}), "url is in S3"),
            (json!({"url": 1}), "url must be a string"),
            (json!({}), "url is missing"),
            (json!(["x"]), "The body must be an object"),
            (json!("dat\u{e9}"), "The body must be a data URL"),
        ] {
            let fault = image_url(&value).expect_err(member);
            assert!(fault.starts_with(member), "{value}: {fault}");
        }
        let s3 = image_url(&json!({"url": "s3://b/k", "mime_type": "image/png", "bucketOwner": "1"})).expect("a block");
        assert_eq!(
            s3,
            json!({"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/k", "bucketOwner": "1"}}}})
        );
    }

    #[test]
    fn names_of_documents_are_plain_and_each_another() {
        let mut shelf = Shelf::default();
        let names = [
            None,
            Some("a.pdf"),
            Some("Über  Q3_report.v2.pdf"),
            Some("a.csv"),
            Some(".pdf"),
            None,
            Some("document-7.x"),
        ];
        let names = names.map(|name| shelf.name(name));
        assert_eq!(names, ["document-1", "a", "ber Q3 report v2", "a-4", "document-5", "document-6", "document-7"]);
        assert!(shelf.name(Some(&"x".repeat(999))).len() <= LONGEST_NAME);
    }
}
