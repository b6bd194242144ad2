//! A way to a server that can be shut as networks and servers shut it: what is behind it stays up, for everybody else.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What becomes of who comes to the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It gets to the server.
    Open,
    /// Nobody listens.
    Refuses,
    /// It is let in, and never answered.
    Silent,
    /// It is let in, and thrown out at once.
    HangsUp,
}

/// In front of a server on this machine.
pub struct Door {
    address: SocketAddr,
    way: watch::Sender<Way>,
    task: JoinHandle<()>,
}

impl Door {
    /// One that is open.
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port should be free");
        let address = listener.local_addr().expect("it should have an address");
        let (way, ways) = watch::channel(Way::Open);
        Self { address, way, task: tokio::spawn(keep(listener, address, server, ways)) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, for those too who are inside.
    pub fn becomes(&self, way: Way) {
        self.way.send_replace(way);
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(listener: TcpListener, address: SocketAddr, server: SocketAddr, mut ways: watch::Receiver<Way>) {
    let mut listener = Some(listener);
    loop {
        let way = *ways.borrow_and_update();
        if way == Way::Refuses {
            listener = None;
        } else if listener.is_none() {
            listener = Some(bound(address).await);
        }
        // Who is inside is thrown out with the set.
        let mut inside = JoinSet::new();
        let changed = loop {
            tokio::select! {
                changed = ways.changed() => break changed,
                accepted = accept(listener.as_ref()) => { inside.spawn(serve(accepted, way, server)); }
            }
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Somebody who comes; nobody where nobody listens.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    match listener {
        Some(listener) => listener.accept().await.expect("it should be accepted").0,
        None => std::future::pending().await,
    }
}

/// The same port again; the last connections may hold it for a moment.
async fn bound(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn serve(mut client: TcpStream, way: Way, server: SocketAddr) {
    match way {
        Way::Open => {
            let mut server = TcpStream::connect(server).await.expect("the server should be there");
            let _ = copy_bidirectional(&mut client, &mut server).await; // Either may hang up.
        }
        Way::Silent => std::future::pending().await,
        Way::HangsUp | Way::Refuses => {}
    }
}
