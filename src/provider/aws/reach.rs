//! What a credential of AWS's opens (pure).

use super::{
    super::{bound::Bound, catalog::AwsPlan},
    Shown,
};
use crate::{
    context::CredentialSource,
    header::PortkeyHeader,
    rejection::{Kind, Rejection},
};

/// Refuses what a credential is not for: objects by a key of Bedrock's, and by a stored credential objects of any other
/// bucket than the one that stands beside it. Whoever holds a gateway key could read all that the identity may.
pub(in crate::provider) fn may_reach<'f>(
    bound: &Bound<'_>,
    planned: &AwsPlan,
    shown: &Shown,
    field: impl Fn(PortkeyHeader) -> Option<&'f str>,
) -> Result<(), Rejection> {
    let Some(bucket) = &planned.bucket else { return Ok(()) };
    let (Shown::Signature(_, source) | Shown::Key(_, source)) = shown;
    if matches!(shown, Shown::Key(..)) {
        let message = "A key of Bedrock's opens no files: they take an access key or a role";
        return Err(Rejection::new(Kind::NotImplemented).with_message(message));
    }
    if *source != CredentialSource::Stored {
        return Ok(());
    }
    match field(PortkeyHeader::AwsS3Bucket).filter(|own| !own.is_empty()) {
        Some(own) if own.eq_ignore_ascii_case(bucket) => Ok(()),
        Some(_) => {
            let message = format!("{} is for the files of its own aws_s3_bucket", name(bound));
            Err(Rejection::new(Kind::InvalidRequest).with_message(message))
        }
        None => {
            let message = format!("{} has no aws_s3_bucket, so it serves no files", name(bound));
            Err(Rejection::new(Kind::NotImplemented).with_message(message))
        }
    }
}

fn name(bound: &Bound<'_>) -> String {
    match bound {
        Bound::Entry(entry) => format!("The provider entry {}", entry.slug()),
        Bound::Config { .. } | Bound::Headers { .. } => "The config".to_owned(),
    }
}
