//! The kernel's IPv4 settings of one interface: forwarding, and telling the neighbours.
//!
//! A network namespace is made with what its node has, which forwards by every interface. The links' definitions switch that
//! off, and `net init` switches it on for the inner side and the tunnel, between which packets may pass. /proc/sys is
//! read-only for containers; netlink takes the same settings from who has NET_ADMIN.

use std::fs;
use std::io;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

use super::system;

/// `struct nlmsghdr`, then `struct ifinfomsg` or an error's number.
const HEADER_BYTES: usize = 16;
const RTM_SETLINK: u16 = 19;
const NLMSG_ERROR: u16 = 2;
/// `NLM_F_REQUEST | NLM_F_ACK`.
const REQUEST: u16 = 0x1 | 0x4;
const NESTED: u16 = 0x8000;
const IFLA_AF_SPEC: u16 = 26 | NESTED;
const AF_INET: u16 = 2 | NESTED;
const IFLA_INET_CONF: u16 = 1 | NESTED;

/// A setting of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    /// Packets that come in by it are forwarded.
    Forwarding,
    /// Its neighbours are told its address (gratuitous ARP) when its hardware address is set.
    ArpNotify,
}

impl Setting {
    /// `IPV4_DEVCONF_…`.
    fn number(self) -> u16 {
        match self {
            Self::Forwarding => 1,
            Self::ArpNotify => 22,
        }
    }

    fn file(self, interface: &str) -> String {
        let name = match self {
            Self::Forwarding => "forwarding",
            Self::ArpNotify => "arp_notify",
        };
        format!("/proc/sys/net/ipv4/conf/{interface}/{name}")
    }
}

/// Whether packets that come in by any interface are forwarded, by one that is still to come too.
pub(super) fn all_forward() -> bool {
    reads_one("/proc/sys/net/ipv4/ip_forward")
}

/// Switches a setting on.
pub(super) fn switch_on(interface: &str, setting: Setting) -> io::Result<()> {
    if reads_one(&setting.file(interface)) {
        return Ok(());
    }
    let index = system::index(interface).ok_or(io::ErrorKind::NotFound)?;
    // NETLINK_ROUTE is protocol 0.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    send(&socket, &request(index, setting), SendFlags::empty())?;
    let mut answer = [0; 256];
    let (read, _) = recv(&socket, &mut answer, RecvFlags::empty())?;
    answered(&answer[..read])?;
    // The file says whether the numbers above are this kernel's.
    if reads_one(&setting.file(interface)) {
        Ok(())
    } else {
        Err(io::Error::other("the kernel took it and does not show it"))
    }
}

fn reads_one(path: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.trim() == "1")
}

fn request(index: u32, setting: Setting) -> Vec<u8> {
    let setting = attribute(setting.number(), &1u32.to_ne_bytes());
    let nested =
        [IFLA_INET_CONF, AF_INET, IFLA_AF_SPEC].into_iter().fold(setting, |inner, kind| attribute(kind, &inner));
    let mut link = vec![0; 4];
    link.extend(index.to_ne_bytes());
    link.extend([0; 8]);
    let length = (HEADER_BYTES + link.len() + nested.len()) as u32;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(RTM_SETLINK.to_ne_bytes());
    message.extend(REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(link);
    message.extend(nested);
    message
}

/// All are of whole words here: nothing is padded.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = (4 + value.len()) as u16;
    [&length.to_ne_bytes(), &kind.to_ne_bytes(), value].concat()
}

fn answered(answer: &[u8]) -> io::Result<()> {
    let unexpected = || io::Error::other("the kernel gave another answer than asked for");
    let kind =
        answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes).ok_or_else(unexpected)?;
    let code =
        answer.get(HEADER_BYTES..HEADER_BYTES + 4).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match (kind, code) {
        (NLMSG_ERROR, Some(0)) => Ok(()),
        (NLMSG_ERROR, Some(code)) => Err(io::Error::from_raw_os_error(-code)),
        _ => Err(unexpected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_as_long_as_it_says() {
        let message = request(7, Setting::Forwarding);
        assert_eq!(message.len(), 52);
        assert_eq!(message[..4], 52u32.to_ne_bytes());
        assert_eq!(message[20..24], 7u32.to_ne_bytes());
        assert_eq!(message[32..34], 20u16.to_ne_bytes(), "the outermost attribute holds all the others");
        assert_eq!(message[48..], 1u32.to_ne_bytes());
    }

    #[test]
    fn an_answer_is_an_acknowledgement_or_an_error() {
        let answer = |code: i32| [&[36, 0, 0, 0, 2, 0][..], &[0; 10], &code.to_ne_bytes(), &[0; 16]].concat();
        assert!(answered(&answer(0)).is_ok());
        assert_eq!(answered(&answer(-1)).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert!(answered(&[0; 7]).is_err() && answered(&[]).is_err());
    }
}
