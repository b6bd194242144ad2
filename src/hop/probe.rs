//! Proof of life: a packet with a TTL of 1 through the tunnel, which the VPN server's kernel answers and never forwards.

use std::io;
use std::net::SocketAddrV4;

use socket2::{Domain, Protocol, Socket, Type};

use crate::domain::plan::{PROBE_ADDRESS, PROBE_PORT, TUNNEL_INTERFACE};

/// Sends one. Binding to a device needs no right as long as the socket is not bound to another.
pub(super) fn send() -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.bind_device(Some(TUNNEL_INTERFACE.as_bytes()))?;
    socket.set_ttl_v4(1)?;
    socket.send_to(&[0; 8], &SocketAddrV4::new(PROBE_ADDRESS, PROBE_PORT).into()).map(drop)
}
