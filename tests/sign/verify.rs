//! Whether a request that arrived is signed, told by AWS's own crate.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};

use crate::net::Message;

pub(crate) const ID: &str = "AKIDEXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// The parts of a signature.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) date: String,
    pub(crate) region: String,
    pub(crate) service: String,
    pub(crate) signed: Vec<String>,
}

/// Computes the signature anew, with this secret, over what arrived; it has to be the one that is there.
pub(crate) fn verify(message: &Message, secret: &str) -> Shown {
    let line = message.header("authorization").expect("a signature");
    let rest = line.strip_prefix("AWS4-HMAC-SHA256 Credential=").expect(line);
    let (scope, rest) = rest.split_once(", SignedHeaders=").expect(line);
    let (names, signature) = rest.split_once(", Signature=").expect(line);
    let [id, day, region, service, "aws4_request"] = scope.split('/').collect::<Vec<_>>()[..] else { panic!("{line}") };
    let date = message.header("x-amz-date").expect("a date");
    assert!(date.starts_with(day));
    let token = message.header("x-amz-security-token").map(str::to_owned);
    let identity = Credentials::new(id, secret, token, None, "test").into();
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    if service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(UNIX_EPOCH + Duration::from_secs(seconds(date)))
        .settings(settings)
        .build()
        .expect("parameters")
        .into();
    let own = ["x-amz-date", "x-amz-content-sha256", "x-amz-security-token"];
    let names: Vec<&str> = names.split(';').collect();
    let lines = message.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()));
    let lines: Vec<_> =
        lines.filter(|(name, _)| names.contains(&name.as_str()) && !own.contains(&name.as_str())).collect();
    let host = message.header("host").expect("a host");
    let url = format!("http://{host}{}", message.target());
    let lines = lines.iter().map(|(name, value)| (name.as_str(), *value));
    let request =
        SignableRequest::new(message.method(), url, lines, SignableBody::Bytes(&message.body)).expect("a request");
    let expected = sign(request, &params).expect("signed").into_parts().1;
    assert_eq!(signature, expected, "{message:?}");
    for name in ["host", "x-amz-date", "x-amz-content-sha256"] {
        assert!(names.contains(&name), "{names:?}");
    }
    // Whatever could change the meaning is signed.
    for (name, _) in &message.headers {
        let name = name.to_ascii_lowercase();
        assert!(!name.starts_with("x-amz-") || names.contains(&name.as_str()), "{name} is not signed");
    }
    let text = |part: &str| part.to_owned();
    Shown {
        id: text(id),
        date: text(date),
        region: text(region),
        service: text(service),
        signed: names.into_iter().map(text).collect(),
    }
}

/// `20250102T030405Z` as seconds since 1970, by counting.
pub(crate) fn seconds(date: &str) -> u64 {
    let number = |from: usize, to: usize| date[from..to].parse::<u64>().expect(date);
    let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
    let leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let years: u64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let months = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months: u64 = months.iter().take(usize::try_from(month).expect("a month") - 1).sum();
    (years + months + day - 1) * 86_400 + number(9, 11) * 3600 + number(11, 13) * 60 + number(13, 15)
}
