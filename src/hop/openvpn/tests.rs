//! Conversations in the order in which OpenVPN 2.6 was seen to hold them.

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::UnixListener;

use super::*;

/// The other end of the socket.
struct Client {
    commands: Lines<BufReader<OwnedReadHalf>>,
    lines: OwnedWriteHalf,
}

impl Client {
    async fn hears(&mut self, command: &str) {
        let heard = self.commands.next_line().await.expect("should be read").expect("should be a command");
        assert_eq!(heard, command);
    }

    /// Says lines, and has them acted on; what came of the last.
    async fn says(&mut self, hop: &mut OpenVpn, lines: &[&str]) -> Option<Event> {
        let mut event = None;
        for line in lines {
            self.lines.write_all(format!("{line}\r\n").as_bytes()).await.expect("should be written");
            let line = hop.line().await;
            event = hop.handle(line).await;
        }
        event
    }
}

/// It leaves its hold and is signalled.
async fn signalled(hop: &mut OpenVpn, client: &mut Client) {
    assert_eq!(client.says(hop, &[RELEASED]).await, None);
    client.hears("signal SIGHUP").await;
}

/// It obeys, and holds when it has read its files; what came of that.
async fn reread(hop: &mut OpenVpn, client: &mut Client) -> Option<Event> {
    assert_eq!(client.says(hop, &[THROWN, REREADS]).await, Some(Event::Lost));
    client.says(hop, &[HOLD]).await
}

/// A client that holds after its server has refused it, and whose files have changed since.
async fn refused(directory: &Path) -> (OpenVpn, Client) {
    let socket = directory.join("mgmt");
    let listener = UnixListener::bind(&socket).expect("should be bound");
    let mut hop = OpenVpn::new(&socket);
    hop.tick().await;
    let (reader, lines) = listener.accept().await.expect("should be connected").0.into_split();
    let mut client = Client { commands: BufReader::new(reader).lines(), lines };
    for command in ["state on", "bytecount 1", "state"] {
        client.hears(command).await;
    }
    assert_eq!(client.says(&mut hop, &[HOLD]).await, Some(Event::Started));
    hop.release().await;
    client.hears("hold release").await;
    assert_eq!(client.says(&mut hop, &[RELEASED, REFUSED]).await, Some(Event::Lost));
    assert_eq!(client.says(&mut hop, &[HOLD]).await, None, "it is let go after a pause");
    hop.reload().await;
    client.hears("hold release").await;
    (hop, client)
}

const HOLD: &str = ">HOLD:Waiting for hold release:0";
const RELEASED: &str = "SUCCESS: hold release succeeded";
const REFUSED: &str = ">STATE:1796050258,RECONNECTING,auth-failure,,,,,";
const IGNORED: &str = "ERROR: signal 'SIGHUP' is currently ignored";
const THROWN: &str = "SUCCESS: signal SIGHUP thrown";
const REREADS: &str = ">STATE:1796050258,RECONNECTING,init_instance,,,,,";

#[tokio::test]
async fn a_holding_client_is_released_to_be_signalled_and_has_reloaded_when_it_holds_again() {
    let directory = tempfile::tempdir().expect("should be made");
    let (mut hop, mut client) = refused(directory.path()).await;
    signalled(&mut hop, &mut client).await;
    assert_eq!(reread(&mut hop, &mut client).await, Some(Event::Reloaded));
}

/// Or what its server says of the old parameters would be taken for an answer to the new ones.
#[tokio::test]
async fn a_client_that_is_refused_before_it_hears_the_signal_has_not_reloaded() {
    let directory = tempfile::tempdir().expect("should be made");
    let (mut hop, mut client) = refused(directory.path()).await;
    signalled(&mut hop, &mut client).await;
    assert_eq!(client.says(&mut hop, &[REFUSED, HOLD]).await, None, "it holds with what it had");
    assert_eq!(client.says(&mut hop, &[IGNORED]).await, None);
    client.hears("hold release").await;
    signalled(&mut hop, &mut client).await;
    assert_eq!(reread(&mut hop, &mut client).await, Some(Event::Reloaded));
}

#[tokio::test]
async fn a_client_that_has_no_socket_yet_is_signalled_again() {
    let directory = tempfile::tempdir().expect("should be made");
    let (mut hop, mut client) = refused(directory.path()).await;
    client.says(&mut hop, &[RELEASED]).await;
    for _ in 0..3 {
        client.hears("signal SIGHUP").await;
        assert_eq!(client.says(&mut hop, &[IGNORED]).await, None);
    }
    client.hears("signal SIGHUP").await;
    assert_eq!(reread(&mut hop, &mut client).await, Some(Event::Reloaded));
}

#[tokio::test]
async fn files_that_change_while_they_are_read_are_read_once_more() {
    let directory = tempfile::tempdir().expect("should be made");
    let (mut hop, mut client) = refused(directory.path()).await;
    signalled(&mut hop, &mut client).await;
    client.says(&mut hop, &[THROWN, REREADS]).await;
    hop.reload().await;
    assert_eq!(client.says(&mut hop, &[HOLD]).await, None);
    client.hears("hold release").await;
    signalled(&mut hop, &mut client).await;
    assert_eq!(reread(&mut hop, &mut client).await, Some(Event::Reloaded));
}
