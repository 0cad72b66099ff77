//! Which addresses may be dialled.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Arc,
};

use super::error::EgressErrorKind;
use crate::host::{IpVerdict, ip_verdict};

/// Which addresses may be dialled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Public ones only.
    #[default]
    Public,
    /// Private and loopback ones too, for hosts that the operator named or trusts. Metadata services never.
    Private,
}

/// What is asked of every address.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) reach: Reach,
    /// Where this process listens.
    pub(super) own: Arc<[SocketAddr]>,
}

impl Policy {
    /// One bad address refuses them all: which of them would be dialled is not for the answer of a name server to say.
    pub(super) fn judge(&self, addresses: &[SocketAddr]) -> Result<(), EgressErrorKind> {
        if !addresses.iter().all(|address| self.may_dial(address.ip())) {
            return Err(EgressErrorKind::Refused);
        }
        if addresses.iter().any(|address| self.is_own(*address)) {
            return Err(EgressErrorKind::Own);
        }
        Ok(())
    }

    fn may_dial(&self, ip: IpAddr) -> bool {
        match ip_verdict(ip) {
            IpVerdict::Public => true,
            IpVerdict::Private => self.reach == Reach::Private,
            IpVerdict::Forbidden => false,
        }
    }

    fn is_own(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        self.own.iter().filter(|own| own.port() == address.port()).any(|own| {
            let own = own.ip().to_canonical();
            // Who dials no address in particular arrives at this machine.
            own == ip || ip.is_unspecified() || (own.is_unspecified() && is_of_this_machine(ip))
        })
    }
}

/// Only an address of this machine can be bound. Nothing is sent: the socket is gone at once.
fn is_of_this_machine(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(reach: Reach, own: &str, address: &str) -> Result<(), EgressErrorKind> {
        let own = Arc::new([own.parse().expect("an address")]);
        Policy { reach, own }.judge(&[address.parse().expect("an address")])
    }

    #[test]
    fn the_addresses_it_listens_on_are_its_own_in_every_spelling() {
        for (own, address, is_own) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "[::ffff:127.0.0.1]:80", true),
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("127.0.0.1:80", "[::]:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("127.0.0.1:80", "10.0.0.1:80", false),
            ("0.0.0.0:80", "127.0.0.9:80", true),
            ("0.0.0.0:80", "[::1]:80", true),
            ("[::]:80", "127.0.0.1:80", true),
            ("[::]:80", "[::ffff:127.0.0.1]:80", true),
            ("0.0.0.0:80", "127.0.0.1:81", false),
            // Of no machine's: documentation.
            ("0.0.0.0:80", "192.0.2.1:80", false),
        ] {
            let expected = if is_own { Err(EgressErrorKind::Own) } else { Ok(()) };
            assert_eq!(judge(Reach::Private, own, address), expected, "{own} {address}");
        }
        assert_eq!(judge(Reach::Public, "127.0.0.1:80", "127.0.0.1:80"), Err(EgressErrorKind::Refused));
    }
}
