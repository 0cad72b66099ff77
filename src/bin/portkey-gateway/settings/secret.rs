//! A secret in the settings: `{ env = "NAME" }`, `{ file = "PATH" }`, or the text itself.

use std::{env, fmt, fs, path::PathBuf};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Unexpected, Visitor},
};
use tower_portkey::Secret;

/// Where a secret is. Debug shows no text.
#[derive(Debug)]
pub(crate) enum SecretRef {
    Literal(Secret),
    Env(String),
    File(PathBuf),
}

impl SecretRef {
    /// The secret. A file's last line break is not part of it.
    pub(crate) fn read(&self) -> Result<Secret, String> {
        match self {
            Self::Literal(secret) => Ok(secret.clone()),
            Self::Env(name) => env::var(name).map(Secret::from).map_err(|_| {
                // A secret that was written here by mistake has other characters than a name.
                let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
                let name = if name.bytes().all(plain) { name } else { "of that name" };
                format!("the environment variable {name} is not set, or is no text")
            }),
            Self::File(path) => {
                let text = fs::read_to_string(path).map_err(|error| format!("the file can't be read: {error}"))?;
                Ok(Secret::from(text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text))))
            }
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor { plain: false })
    }
}

/// A field of an entry: a secret, or a number, or `true` or `false`.
#[derive(Debug)]
pub(crate) struct FieldRef(pub(crate) SecretRef);

impl<'de> Deserialize<'de> for FieldRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor { plain: true }).map(Self)
    }
}

/// By hand, because a derived reader quotes what it can't use.
struct SecretVisitor {
    /// Whether numbers and truth values are taken, too.
    plain: bool,
}

impl SecretVisitor {
    fn plain<E: Error>(&self, kind: &str, value: &dyn ToString) -> Result<SecretRef, E> {
        if self.plain {
            return Ok(SecretRef::Literal(Secret::from(value.to_string())));
        }
        Err(E::invalid_type(Unexpected::Other(kind), self))
    }
}

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret: { env = \"NAME\" }, { file = \"PATH\" } or a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SecretRef, E> {
        Ok(SecretRef::Literal(Secret::from(text)))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<SecretRef, E> {
        self.plain("boolean", &value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<SecretRef, E> {
        self.plain("integer", &value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<SecretRef, E> {
        self.plain("floating point", &value)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
        let wrong = || A::Error::custom("a secret has exactly one of env and file");
        let found = match map.next_key::<String>()?.as_deref() {
            Some("env") => SecretRef::Env(map.next_value()?),
            Some("file") => SecretRef::File(map.next_value()?),
            _ => return Err(wrong()),
        };
        match map.next_key::<String>()? {
            None => Ok(found),
            Some(_) => Err(wrong()),
        }
    }
}
