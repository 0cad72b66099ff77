//! Where in a config something stands.

use std::fmt::{self, Write};

/// The way from the root to a value. Displayed as Portkey's validator does: `targets,0,provider`.
///
/// A name is text of the caller's, so it is shown shortened and without any character that is unusual in a name.
#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    Root,
    Name(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    /// The path of a member.
    pub(super) fn name(&'p self, name: &'p str) -> Self {
        Self::Name(self, name)
    }

    /// The path of an item.
    pub(super) fn index(&'p self, index: usize) -> Self {
        Self::Index(self, index)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// No name that is read is longer.
        const LONGEST: usize = 40;

        let above = match self {
            Self::Root => return Ok(()),
            Self::Name(above, _) | Self::Index(above, _) => above,
        };
        above.fmt(f)?;
        if !matches!(above, Self::Root) {
            f.write_char(',')?;
        }
        match self {
            Self::Root => Ok(()),
            Self::Index(_, index) => index.fmt(f),
            Self::Name(_, name) => name.chars().take(LONGEST).try_for_each(|letter| {
                let plain = letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.' | '$');
                f.write_char(if plain { letter } else { '?' })
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_joined_and_names_made_harmless() {
        let targets = Path::Root.name("targets");
        let (first, long) = (targets.index(0), "x".repeat(99));
        assert_eq!(Path::Root.to_string(), "");
        assert_eq!(first.name("provider").to_string(), "targets,0,provider");
        assert_eq!(Path::Root.name("a\r\n<b>,c").to_string(), "a???b??c");
        assert_eq!(Path::Root.name(&long).to_string().len(), 40);
    }
}
