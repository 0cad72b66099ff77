//! Media types, and what Converse calls them.

use super::fault::Fault;

/// What a media type is to Converse, and the word Converse has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Image(&'static str),
    Video(&'static str),
    Audio(&'static str),
    Document(&'static str),
}

const FORMATS: [(&str, Format); 35] = [
    ("image/png", Format::Image("png")),
    ("image/jpeg", Format::Image("jpeg")),
    ("image/jpg", Format::Image("jpeg")),
    ("image/gif", Format::Image("gif")),
    ("image/webp", Format::Image("webp")),
    ("application/pdf", Format::Document("pdf")),
    ("text/csv", Format::Document("csv")),
    ("text/html", Format::Document("html")),
    ("text/plain", Format::Document("txt")),
    ("text/markdown", Format::Document("md")),
    ("text/x-markdown", Format::Document("md")),
    ("application/msword", Format::Document("doc")),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", Format::Document("docx")),
    ("application/vnd.ms-excel", Format::Document("xls")),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", Format::Document("xlsx")),
    ("video/mp4", Format::Video("mp4")),
    ("video/quicktime", Format::Video("mov")),
    ("video/mov", Format::Video("mov")),
    ("video/x-matroska", Format::Video("mkv")),
    ("video/webm", Format::Video("webm")),
    ("video/x-flv", Format::Video("flv")),
    ("video/mpeg", Format::Video("mpeg")),
    ("video/x-ms-wmv", Format::Video("wmv")),
    ("video/wmv", Format::Video("wmv")),
    ("video/3gpp", Format::Video("three_gp")),
    ("audio/mpeg", Format::Audio("mp3")),
    ("audio/mp3", Format::Audio("mp3")),
    ("audio/wav", Format::Audio("wav")),
    ("audio/x-wav", Format::Audio("wav")),
    ("audio/aac", Format::Audio("aac")),
    ("audio/flac", Format::Audio("flac")),
    ("audio/ogg", Format::Audio("ogg")),
    ("audio/opus", Format::Audio("opus")),
    ("audio/mp4", Format::Audio("mp4")),
    ("audio/webm", Format::Audio("webm")),
];

impl Format {
    /// The format of a media type, whose parameters don't count.
    pub(super) fn of(media_type: &str) -> Result<Self, Fault> {
        let name = media_type.split(';').next().unwrap_or_default().trim();
        let found = FORMATS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, format)| *format).ok_or_else(|| Fault::new("is of a media type that Converse doesn't take"))
    }
}
