//! How large a packet fits through each tunnel.
//!
//! Measured overheads (IPv4 outside): OpenVPN over UDP with AES-256-GCM 52 bytes, over TCP 78 (40 of headers, 12 of
//! timestamps, 2 of length, 24 of OpenVPN), WireGuard 60. WireGuard servers pad to 16 bytes and usually have an MTU
//! of 1420, so a WireGuard tunnel's MTU is a multiple of 16 and at most 1420: otherwise full-size *replies* are lost.

use crate::domain::types::{Implementation, Transport};

/// Less than this, and IPv4 itself is not guaranteed to work (RFC 791's 576-byte datagram).
pub const MINIMUM_MTU: u16 = 576;
/// What a chain's outermost packets may have when `mtu` is not set: fits VXLAN overlays.
pub const DEFAULT_BASE_MTU: u16 = 1450;

const OPENVPN_UDP_OVERHEAD: i32 = 52;
const OPENVPN_TCP_OVERHEAD: i32 = 78;
const WIREGUARD_OVERHEAD: i32 = 60;
const WIREGUARD_PADDING: i32 = 16;
const WIREGUARD_USUAL_MTU: i32 = 1420;

/// The MTU in bytes of a tunnel whose own packets may have `outer` bytes; may be negative.
///
/// Depends on the hop's kind and never on its candidate, so that a rotation leaves the neighbours' MTU alone.
pub fn tunnel_mtu(outer: i32, implementation: Implementation, transport: Transport) -> i32 {
    match (implementation, transport) {
        (Implementation::OpenVpn, Transport::UDP) => outer - OPENVPN_UDP_OVERHEAD,
        (Implementation::OpenVpn, Transport::TCP | Transport::Any) => outer - OPENVPN_TCP_OVERHEAD,
        (Implementation::BoringTun | Implementation::WireGuardGo | Implementation::Kernel, _) => {
            let payload = outer - WIREGUARD_OVERHEAD;
            (payload - payload.rem_euclid(WIREGUARD_PADDING)).min(WIREGUARD_USUAL_MTU)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Implementation::{BoringTun, OpenVpn};

    fn chain(base: i32, hops: &[(Implementation, Transport)]) -> Vec<i32> {
        let mut outer = base;
        hops.iter()
            .map(|&(implementation, transport)| {
                outer = tunnel_mtu(outer, implementation, transport);
                outer
            })
            .collect()
    }

    #[test]
    fn sizes_are_those_measured_without_a_fragment() {
        let (udp, tcp, wg) = ((OpenVpn, Transport::UDP), (OpenVpn, Transport::TCP), (BoringTun, Transport::Any));
        assert_eq!(chain(1500, &[udp, wg, udp]), [1448, 1376, 1324]);
        assert_eq!(chain(1500, &[udp, wg, tcp]), [1448, 1376, 1298]);
        assert_eq!(chain(1500, &[wg, udp, wg]), [1420, 1368, 1296]);
        assert_eq!(chain(1500, &[wg, wg, wg]), [1420, 1360, 1296]);
        assert_eq!(chain(1500, &[udp, udp, udp]), [1448, 1396, 1344]);
        assert_eq!(chain(1500, &[tcp, tcp, tcp]), [1422, 1344, 1266]);
        assert_eq!(chain(1450, &[udp, wg, udp]), [1398, 1328, 1276]);
    }

    #[test]
    fn a_hop_that_may_use_either_transport_is_sized_for_tcp() {
        assert_eq!(tunnel_mtu(1450, OpenVpn, Transport::Any), tunnel_mtu(1450, OpenVpn, Transport::TCP));
    }
}
