//! The status page in a real browser, from a change in the Kubernetes API to the document: a fake API server, the operator's
//! own watches and server, and headless Chromium, driven by its DevTools protocol.
//!
//! `HOPKEEPER_GENERATE=1` also takes the pictures of docs/status-page.md.

use std::time::{Duration, Instant};

use hopkeeper::app::status_page::{Replica, run};
use hopkeeper::config::status_page::Auth;
use hopkeeper::http;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

#[path = "status_page/api_server.rs"]
mod api_server;
#[path = "status_page/browser.rs"]
mod browser;
#[path = "status_page/installation.rs"]
mod installation;
#[path = "shared/needs.rs"]
mod needs;

use api_server::ApiServer;
use browser::{Browser, Tab};
use installation::{CHAINS, HOSTILE, chain, incident, installation};

/// An installation of fifty chains, its status page, and a browser.
struct World {
    api: ApiServer,
    browser: Browser,
    page: String,
    stop: CancellationToken,
    serving: JoinHandle<anyhow::Result<()>>,
}

impl World {
    /// None where there is no Chromium.
    async fn new() -> Option<Self> {
        let browser = Browser::start().await?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (chains, incidents) = installation(jiff::Timestamp::now());
        let api = ApiServer::start(chains, incidents).await;
        let listener = http::listen("127.0.0.1:0".parse().expect("an address")).await.expect("should listen");
        let page = format!("http://{}", listener.local_addr().expect("it has an address"));
        let (stop, leads) = (CancellationToken::new(), watch::Sender::new(true));
        let replica = Replica {
            identity: "hopkeeper-7c9d8-1".to_owned(),
            lease_namespace: "hopkeeper".to_owned(),
            leads: leads.subscribe(),
        };
        let serving = tokio::spawn(run(listener, api.client(), None, Auth::None, replica, stop.clone()));
        let world = Self { api, browser, page, stop, serving };
        world.until_listed().await;
        Some(world)
    }

    async fn until_listed(&self) {
        let limit = Instant::now() + Duration::from_secs(60);
        loop {
            let answer = reqwest::get(format!("{}/api/v1/chains", self.page)).await.expect("it should answer");
            if answer.status() == 200 {
                return;
            }
            assert!(Instant::now() < limit, "chains were never listed");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The page in a new tab, once it says that it hears of changes.
    async fn open(&mut self, path: &str, width: u32, height: u32, dark: bool) -> Tab {
        let tab = self.browser.open(&format!("{}{path}", self.page), width, height, dark).await;
        let live = "document.getElementById('connection').textContent === 'live'";
        self.browser.until(&tab, live).await;
        tab
    }

    /// Nothing was asked of anybody else, no policy was broken, nothing was complained of.
    async fn end(self) {
        let own = format!("{}/", self.page);
        let elsewhere: Vec<_> = self.browser.requests().filter(|url| !url.starts_with(&own)).collect();
        assert!(elsewhere.is_empty(), "requests to others: {elsewhere:?}");
        assert_eq!(self.browser.complaints(), [""; 0]);
        self.browser.end().await;
        // A page that somebody still looks at keeps nobody from stopping.
        self.stop.cancel();
        self.serving.await.expect("it should not panic").expect("it should end well");
    }
}

/// What is seen of a hop in the path that is drawn.
fn hop_says(hop: &str, words: &str) -> String {
    format!("document.getElementById('wide/vpn/berlin/{hop}').getAttribute('aria-label').includes('{words}')")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_in_the_api_is_seen_in_the_browser() {
    let Some(mut world) = World::new().await else { return };
    let tab = world.open("/", 1280, 900, false).await;
    let drawn = world.browser.value(&tab, "document.querySelectorAll('section.chain svg.wide').length").await;
    assert_eq!(drawn, json!(CHAINS));
    // Who reads is not thrown out: focus and place stay.
    world.browser.value(&tab, "document.getElementById('wide/vpn/berlin/entry').focus()").await;
    for (state, round) in [("Up", 0), ("Suspect", 1), ("Up", 2)] {
        let seen = world.browser.begin_until(&tab, &hop_says("entry", &format!(": {state},"))).await;
        let begun = Instant::now();
        world.api.put(chain("berlin", [("entry", state), ("middle", "Up"), ("exit", "Up")]));
        world.browser.finish(seen).await;
        println!("    from the API server's event to the document, round {round}: {:?}", begun.elapsed());
    }
    let focused = world.browser.value(&tab, "document.activeElement.id").await;
    assert_eq!(focused, "wide/vpn/berlin/entry");
    let headline = "document.querySelector('#summary strong').textContent";
    assert_eq!(world.browser.value(&tab, headline).await, format!("{} of {CHAINS}", CHAINS - 1));

    // A new incident, a chain that comes and one that goes.
    let begun = Instant::now();
    world.api.put(incident("oslo", "exit", "fresh", "Detected", jiff::Timestamp::now()));
    let fresh = "document.getElementById('chain/vpn/oslo/incident/oslo-exit-fresh') !== null";
    world.browser.until(&tab, fresh).await;
    println!("    a new incident: {:?}", begun.elapsed());
    world.api.put(chain("aachen", [("entry", "Connecting"), ("middle", "Connecting"), ("exit", "Connecting")]));
    world.api.delete("vpnchains", "berlin");
    let moved = "document.getElementById('chain/vpn/berlin') === null \
                 && document.querySelector('section.chain').id === 'chain/vpn/aachen'";
    world.browser.until(&tab, moved).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_story_that_is_open_stays_open_and_its_address_opens_it() {
    let Some(mut world) = World::new().await else { return };
    let tab = world.open("/chains/vpn/berlin#incident/berlin-entry-0a1b2c3d4e5f", 1280, 900, false).await;
    let open = "document.getElementById('incident/berlin-entry-0a1b2c3d4e5f/story').open";
    assert_eq!(world.browser.value(&tab, open).await, json!(true));
    world.api.put(incident("berlin", "entry", "fresh", "Detected", jiff::Timestamp::now()));
    world.browser.until(&tab, "document.getElementById('incident/berlin-entry-fresh') !== null").await;
    assert_eq!(world.browser.value(&tab, open).await, json!(true));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_hop_and_incident_is_reached_by_the_keyboard() {
    let Some(mut world) = World::new().await else { return };
    for path in ["/", "/chains/vpn/berlin"] {
        let tab = world.open(path, 1280, 900, false).await;
        let wanted = "[...document.querySelectorAll('svg a.hop, .timeline a, .timeline summary, .reasons a')]\
                      .filter((e) => e.checkVisibility()).map((e) => e.id)";
        let wanted: Vec<String> = world.browser.texts(&tab, wanted).await;
        assert!(wanted.len() >= 5 && wanted.iter().all(|id| !id.is_empty()), "{path}: {wanted:?}");
        let mut reached = Vec::new();
        // As often as there is anything to stop at, and no further than once around.
        let stops = world.browser.value(&tab, "document.querySelectorAll('a, summary').length + 1").await;
        for _ in 0..stops.as_u64().expect("a number") {
            world.browser.press(&tab, "Tab").await;
            // After the last one the focus leaves the page.
            if world.browser.value(&tab, "document.activeElement === document.body").await == json!(true) {
                break;
            }
            let at = "document.activeElement.id + ' ' + (getComputedStyle(document.activeElement).outlineStyle \
                      !== 'none' || document.activeElement.closest('svg') !== null)";
            let at = world.browser.value(&tab, at).await;
            let (id, visible) = at.as_str().and_then(|at| at.rsplit_once(' ')).expect("id and visibility");
            assert_eq!(visible, "true", "{path}: {id:?} does not show that it has the focus");
            reached.push(id.to_owned());
        }
        let missed: Vec<_> = wanted.iter().filter(|id| !reached.contains(id)).collect();
        assert!(missed.is_empty(), "{path}: {missed:?}");
        // In the order in which they are read.
        let mut order: Vec<_> = reached.iter().filter(|id| wanted.contains(id)).collect();
        order.dedup();
        order.truncate(wanted.len());
        assert_eq!(order, wanted.iter().collect::<Vec<_>>(), "{path}");
    }
    let tab = world.open("/chains/vpn/berlin", 1280, 900, false).await;
    world.browser.value(&tab, "document.querySelector('.timeline summary').focus()").await;
    world.browser.press(&tab, "Enter").await;
    world.browser.until(&tab, "document.querySelector('.timeline details').open").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_and_the_dark_show_all_of_it() {
    let Some(mut world) = World::new().await else { return };
    for path in ["/", "/chains/vpn/berlin"] {
        for width in [320, 390, 600, 820, 1280] {
            let tab = world.open(path, width, 800, false).await;
            let overflow = "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth";
            assert_eq!(
                world.browser.value(&tab, overflow).await,
                json!(0),
                "{path} at {width} is wider than the screen"
            );
            let drawings = "[...document.querySelectorAll('.path')].every((path) => \
                            [...path.querySelectorAll('svg')].filter((svg) => svg.checkVisibility()).length === 1)";
            assert_eq!(world.browser.value(&tab, drawings).await, json!(true), "{path} at {width}: one drawing each");
            let small = "Math.min(...[...document.querySelectorAll('svg')].filter((svg) => svg.checkVisibility())\
                         .map((svg) => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width))";
            let scale = world.browser.value(&tab, small).await.as_f64().expect("a number");
            assert!(scale > 0.8, "{path} at {width}: letters are {scale} of their size");
            world.browser.close(tab).await;
        }
    }
    let brightness = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)\
                      .reduce((a, b) => a + b)";
    let (light, dark) = (world.open("/", 1280, 900, false).await, world.open("/", 1280, 900, true).await);
    assert!(world.browser.value(&light, brightness).await.as_u64() > Some(600));
    assert!(world.browser.value(&dark, brightness).await.as_u64() < Some(150));
    for tab in [light, dark] {
        let poor: Vec<String> = world.browser.texts(&tab, browser::POOR_CONTRAST).await;
        assert!(poor.is_empty(), "hard to read: {poor:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn markup_in_a_log_line_is_shown_and_not_obeyed() {
    let Some(mut world) = World::new().await else { return };
    let tab = world.open("/chains/vpn/berlin", 1280, 900, false).await;
    let mut hostile = incident("berlin", "exit", "hostile", "Detected", jiff::Timestamp::now());
    hostile["spec"]["line"] = json!(HOSTILE);
    hostile["spec"]["title"] = json!(HOSTILE);
    world.api.put(hostile);
    let text = "document.getElementById('incident/berlin-exit-hostile')?.querySelector('.line').textContent ?? ''";
    world.browser.until(&tab, &format!("({text}).length > 0")).await;
    assert_eq!(world.browser.value(&tab, text).await, HOSTILE);
    let again = world.open("/chains/vpn/berlin", 1280, 900, false).await;
    assert_eq!(world.browser.value(&again, text).await, HOSTILE);
    for tab in [tab, again] {
        assert_eq!(world.browser.value(&tab, "window.obeyed ?? null").await, json!(null));
        assert_eq!(world.browser.value(&tab, "document.querySelectorAll('main script, main img').length").await, 0);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pictures_of_the_documentation() {
    let picture = |name: &str| format!("{}/docs/images/status-page-{name}.png", env!("CARGO_MANIFEST_DIR"));
    let shots = [
        ("light", "/", 1180, 900, false),
        ("dark", "/chains/vpn/berlin", 1180, 900, true),
        ("phone", "/", 390, 844, false),
    ];
    if std::env::var_os("HOPKEEPER_GENERATE").is_none() {
        for (name, ..) in shots {
            let size = std::fs::metadata(picture(name)).expect("it should be there: make generate").len();
            assert!(size < 200_000, "{name}: {size} bytes");
        }
        return;
    }
    std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/images")).expect("should make it");
    let mut world = World::new().await.expect("pictures need Chromium");
    for (name, path, width, height, dark) in shots {
        let tab = world.open(path, width, height, dark).await;
        let png = world.browser.picture(&tab).await;
        std::fs::write(picture(name), png).expect("should write");
    }
    world.end().await;
}
