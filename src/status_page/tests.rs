//! The router over fixtures: what is answered, that it is what it is said to be, and that hostile text stays text.

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::crd::{HopIncident, VpnChain};
use crate::overview::overview;
use crate::overview::tests::{berlin, rotated, symptom};

/// What is served, and the one who publishes to it.
struct Site {
    publisher: Publisher,
    router: Router,
    stop: CancellationToken,
}

impl Site {
    fn empty() -> Self {
        let (publisher, shown) = channel("hopkeeper-0");
        let stop = CancellationToken::new();
        let router = router(shown, Settings { local_only: true, access: None, stop: stop.clone() });
        Self { publisher, router, stop }
    }

    fn with(chains: Vec<VpnChain>, incidents: Vec<HopIncident>) -> Self {
        let site = Self::empty();
        site.show(chains, incidents);
        site
    }

    fn show(&self, chains: Vec<VpnChain>, incidents: Vec<HopIncident>) {
        self.publisher
            .objects(chains.into_iter().map(Arc::new).collect(), incidents.into_iter().map(Arc::new).collect());
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let answer =
            self.answer(Request::get(path).header("host", "localhost:8089").body(Body::empty()).unwrap()).await;
        let status = answer.status();
        (status, String::from_utf8(to_bytes(answer.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap())
    }

    async fn json(&self, path: &str) -> (StatusCode, Value) {
        let (status, text) = self.get(path).await;
        (status, serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}: {text}")))
    }

    /// The server-sent events of a page, one at a time.
    async fn events(&self, path: &str, last: Option<&str>) -> Events {
        let mut request = Request::get(path).header("host", "localhost");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = self.answer(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status(), StatusCode::OK);
        Events(answer.into_body())
    }
}

struct Events(Body);

impl Events {
    /// The next event: its id and its data; none at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        use futures::StreamExt;
        let body = std::mem::take(&mut self.0);
        let mut stream = body.into_data_stream();
        let mut text = String::new();
        while !text.ends_with("\n\n") {
            text.push_str(std::str::from_utf8(&stream.next().await?.unwrap()).unwrap());
        }
        self.0 = Body::from_stream(stream);
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        Some((field("id: "), serde_json::from_str(&field("data: ")).unwrap()))
    }
}

fn in_trouble() -> Site {
    Site::with(vec![berlin()], vec![rotated(None), symptom()])
}

fn named(chain: &VpnChain, name: &str) -> VpnChain {
    let mut chain = chain.clone();
    chain.metadata.name = Some(name.to_owned());
    chain
}

#[tokio::test]
async fn programs_get_what_the_terminal_prints_as_json() {
    let site = in_trouble();
    let all = overview(&[berlin()], &[rotated(None), symptom()]);
    assert_eq!(site.json("/api/v1/chains").await, (StatusCode::OK, serde_json::to_value(&all).unwrap()));
    let chain = site.json("/api/v1/chains/vpn/berlin").await;
    assert_eq!(chain, (StatusCode::OK, serde_json::to_value(&all.chains[0]).unwrap()));
    let story = site.json("/api/v1/incidents/vpn/berlin-entry-0a1b2c3d4e5f").await;
    assert_eq!(story, (StatusCode::OK, serde_json::to_value(&all.chains[0].incidents[1]).unwrap()));
}

#[tokio::test]
async fn incidents_are_filtered_and_the_newest_comes_first() {
    let mut older = rotated(Some("Up"));
    older.metadata.name = Some("older".into());
    older.spec.last.time.0 -= jiff::SignedDuration::from_hours(1);
    let site = Site::with(vec![berlin()], vec![older, rotated(None), symptom()]);
    let ids = async |query: &str| {
        let (_, answer) = site.json(&format!("/api/v1/incidents{query}")).await;
        answer["incidents"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (exit, entry) = ("berlin-exit-112233445566", "berlin-entry-0a1b2c3d4e5f");
    assert_eq!(ids("").await, [exit, entry, "older"]);
    assert_eq!(ids("?open=true&namespace=vpn&chain=berlin").await, [exit, entry]);
    assert_eq!(ids("?hop=entry&open=false").await, ["older"]);
    assert_eq!(ids("?chain=oslo").await, [""; 0]);
    let (status, problem) = site.json("/api/v1/incidents?opened=true").await;
    assert_eq!((status, &problem["status"]), (StatusCode::BAD_REQUEST, &json!(400)));
    assert!(problem["detail"].as_str().unwrap().contains("opened"), "{problem}");
}

#[tokio::test]
async fn every_answer_is_as_its_description_says() {
    let site = in_trouble();
    let (_, document) = site.json("/api/v1/openapi.json").await;
    let filled = |path: &str| {
        let values = [("{namespace}", "vpn"), ("{name}", "berlin"), ("{id}", "berlin-entry-0a1b2c3d4e5f")];
        values.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value))
    };
    let mut seen = 0;
    for (path, operation) in document["paths"].as_object().unwrap() {
        let validator = |status: &str, media_type: &str| {
            let schema = &operation["get"]["responses"][status]["content"][media_type]["schema"];
            let mut schema = schema.as_object().unwrap_or_else(|| panic!("{path} {status}")).clone();
            schema.insert("components".into(), document["components"].clone());
            jsonschema::draft202012::options().should_validate_formats(true).build(&Value::Object(schema)).unwrap()
        };
        let check = |status: &str, media_type: &str, answer: &Value| {
            let wrong: Vec<_> = validator(status, media_type).iter_errors(answer).map(|e| e.to_string()).collect();
            assert!(wrong.is_empty(), "{path} {status}: {wrong:?}");
        };
        let (status, answer) = site.json(&filled(path)).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        check("200", "application/json", &answer);
        let (status, early) = Site::empty().json(&filled(path)).await;
        if status == StatusCode::SERVICE_UNAVAILABLE {
            check("503", "application/problem+json", &early);
        }
        if path.contains('{') {
            let (status, answer) = site.json(&filled(path).replace("vpn", "nowhere")).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
            check("404", "application/problem+json", &answer);
        }
        seen += 1;
    }
    assert_eq!(seen, 5);
}

#[tokio::test]
async fn before_everything_was_listed_nothing_is_said_to_be_well() {
    let site = Site::empty();
    assert_eq!(site.json("/api/v1/chains").await.0, StatusCode::SERVICE_UNAVAILABLE);
    site.publisher.operator(|operator| operator.trouble = Some("connection refused".into()));
    let (status, page) = site.get("/").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.contains("are being read") && page.contains("connection refused"), "{page}");
    site.show(vec![], vec![]);
    let (status, page) = site.get("/").await;
    assert_eq!((status, page.contains("There are no chains yet.")), (StatusCode::OK, true));
}

#[tokio::test]
async fn the_page_shows_paths_states_what_is_held_lines_and_candidates_left() {
    let site = in_trouble();
    site.publisher.operator(|operator| operator.leader = Some("hopkeeper-1".into()));
    let (status, page) = site.get("/").await;
    assert_eq!(status, StatusCode::OK);
    for shown in [
        "0 of 1",
        "application → exit → middle → entry → internet",
        r#"aria-label="hop entry: Recovering, 2 candidates left""#,
        r#"aria-label="hop middle: Up, no candidate left""#,
        r#"aria-label="hop exit: Held, candidates left: not known""#,
        "outer hop &quot;entry&quot; carries no traffic: this is its symptom",
        "AUTH: Received control message: AUTH_FAILED",
        "my.yaml:4:5: no",
        "<code>hopkeeper-0</code>; <code>hopkeeper-1</code> leads.",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
    let (status, page) = site.get("/chains/vpn/berlin").await;
    assert_eq!(status, StatusCode::OK);
    for shown in ["another candidate, inside the running pod", "kafka:vpn-logs/2/4720", r#"id="hop/entry""#, "b@1"] {
        assert!(page.contains(shown), "{shown}");
    }
    let (status, page) = site.get("/chains/vpn/oslo").await;
    assert_eq!((status, page.contains("There is no such chain.")), (StatusCode::NOT_FOUND, true));
}

#[tokio::test]
async fn each_reference_within_a_page_leads_somewhere_and_no_id_is_given_twice() {
    let site = in_trouble();
    let (_, own) = site.get("/chains/vpn/berlin").await;
    let (_, index) = site.get("/").await;
    let all = |page: &str, attribute: &str| -> Vec<String> {
        page.split(&format!(" {attribute}=\"")).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    for page in [&own, &index] {
        let ids = all(page, "id");
        let unique: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{ids:?}");
        for fragment in all(page, "href").iter().filter_map(|href| href.strip_prefix('#')) {
            assert!(ids.iter().any(|id| id == fragment), "{fragment}");
        }
    }
    let ids = all(&own, "id");
    let to_own = all(&index, "href").into_iter().filter_map(|href| Some(href.split_once('#')?.1.to_owned()));
    let to_own: Vec<_> = to_own.filter(|id| id.starts_with("hop/") || id.starts_with("incident/")).collect();
    assert!(to_own.len() >= 8, "{to_own:?}");
    assert!(to_own.iter().all(|id| ids.contains(id)), "{to_own:?}");
}

/// What a server, a provider, or whoever may write objects could have put there.
const HOSTILE: &str = "</code></script><script>alert(1)</script><img src=x onerror=alert(1)>\"' onmouseover=alert(1) x=\"\
                       \u{202e}\u{1b}[2J<!-- ]]> javascript:alert(1)";

fn hostile() -> (VpnChain, HopIncident) {
    let mut chain = berlin();
    let status = chain.status.as_mut().unwrap();
    status.message = Some(HOSTILE.into());
    for hop in &mut status.hops {
        (hop.candidate, hop.pod) = (Some(HOSTILE.into()), Some(HOSTILE.into()));
    }
    for condition in &mut status.conditions {
        (condition.reason, condition.message) = (HOSTILE.into(), HOSTILE.into());
    }
    let mut incident = rotated(None);
    let spec = &mut incident.spec;
    (spec.line, spec.title, spec.rule, spec.pod) = (HOSTILE.into(), HOSTILE.into(), HOSTILE.into(), HOSTILE.into());
    (spec.first.position, spec.last.position) = (HOSTILE.into(), HOSTILE.into());
    (spec.candidate.name, spec.candidate.version) = (HOSTILE.into(), HOSTILE.into());
    let status = incident.status.as_mut().unwrap();
    status.phase = crate::crd::incident::IncidentPhase::Held;
    (status.cause, status.reason, status.message) = (Some(HOSTILE.into()), Some(HOSTILE.into()), Some(HOSTILE.into()));
    (chain, incident)
}

#[tokio::test]
async fn hostile_text_stays_text() {
    let harmless = in_trouble();
    let (chain, incident) = hostile();
    let site = Site::with(vec![chain], vec![incident]);
    site.publisher.operator(|operator| {
        operator.identity = HOSTILE.into();
        (operator.leader, operator.trouble) = (Some(HOSTILE.into()), Some(HOSTILE.into()));
    });
    let elements = |page: &str, name: &str| page.matches(&format!("<{name}")).count();
    for path in ["/", "/chains/vpn/berlin"] {
        let (_, page) = site.get(path).await;
        let (_, expected) = harmless.get(path).await;
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{path}: it should be shown");
        assert_eq!((elements(&page, "script"), elements(&page, "img")), (elements(&expected, "script"), 0), "{path}");
        for never in ["<!-- ", "\" onmouseover", "\"' ", "\u{202e}", "\u{1b}", "href=\"javascript:"] {
            assert!(!page.contains(never), "{path}: {never:?}");
        }
        let mut events = site.events(&format!("{}/live", path.trim_end_matches('/')), None).await;
        let (_, update) = events.next().await.unwrap();
        for section in update["sections"].as_array().unwrap() {
            let html = section["html"].as_str().unwrap();
            assert!(!html.contains("<script") && !html.contains("<img"), "{path}: {html}");
        }
    }
    let (status, page) = site.get("/chains/vpn/%3Cscript%3Ealert(1)%3C%2Fscript%3E").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert_eq!(elements(&page, "script"), 1);
    // What is loaded anew stays below the page.
    let (_, page) = site.get("/chains/vpn/%2F%2Fevil.example").await;
    assert!(page.contains("data-live=\".///evil.example/live\""), "{page}");
}

#[tokio::test]
async fn every_answer_forbids_scripts_of_others_frames_and_guesses() {
    let site = in_trouble();
    for path in ["/", "/nothing", "/api/v1/chains", "/assets/page.js", "/assets/nothing", "/live", "/chains/vpn/berlin"]
    {
        let answer = site.answer(Request::get(path).body(Body::empty()).unwrap()).await;
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{path}: {policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!((header("x-content-type-options"), header("x-frame-options")), ("nosniff".into(), "DENY".into()));
        let cached = if path == "/assets/page.js" { "max-age=86400" } else { "no-" };
        assert!(header("cache-control").starts_with(cached), "{path}");
    }
    let (_, page) = site.get("/").await;
    for inline in ["style=", "<style", " onclick", "http://", "https://", "//cdn"] {
        assert!(!page.contains(inline), "{inline}");
    }
}

#[tokio::test]
async fn nothing_can_be_written() {
    let site = in_trouble();
    for path in ["/", "/chains/vpn/berlin", "/api/v1/chains", "/api/v1/incidents", "/live"] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let answer = site.answer(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_local_page_is_not_given_to_a_web_page_that_calls_this_machine_by_its_own_name() {
    let (_publisher, shown) = channel("a");
    let asked = async |local_only: bool, host: &str| {
        let router = router(shown.clone(), Settings { local_only, access: None, stop: CancellationToken::new() });
        let request = Request::get("/api/v1/operator").header("host", host).body(Body::empty()).unwrap();
        router.oneshot(request).await.unwrap().status()
    };
    assert_eq!(asked(true, "evil.example:8089").await, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(asked(true, "127.0.0.1:8089").await, StatusCode::OK);
    assert_eq!(asked(false, "status.example.org").await, StatusCode::OK);
}

#[tokio::test]
async fn who_is_not_let_in_sees_nothing_of_the_page_and_is_answered_under_the_same_policy() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (_publisher, shown) = channel("a");
    let client = kube::Client::try_from(kube::Config::new("http://127.0.0.1:1".parse().unwrap())).unwrap();
    let access = Some(Arc::new(Access::new(client, CancellationToken::new())));
    let router = router(shown, Settings { local_only: true, access, stop: CancellationToken::new() });
    for path in ["/", "/live", "/chains/vpn/berlin", "/assets/page.js", "/api/v1/operator", "/api/v1/openapi.json"] {
        let request = Request::get(path).header("host", "localhost").body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.headers().contains_key("content-security-policy"), "{path}");
    }
}

#[tokio::test]
async fn a_viewer_is_sent_what_changed_and_nothing_else() {
    let other = named(&berlin(), "oslo");
    let site = Site::with(vec![berlin(), other.clone()], vec![rotated(None)]);
    let mut events = site.events("/live?state=of-yesterday", None).await;
    let (seen, all) = events.next().await.unwrap();
    assert_eq!(all["order"], json!(["summary", "chain/vpn/berlin", "chain/vpn/oslo"]));
    assert_eq!(all["sections"].as_array().unwrap().len(), 3);

    site.show(vec![berlin(), other.clone()], vec![rotated(Some("Up"))]);
    let (_, update) = events.next().await.unwrap();
    let ids: Vec<_> = update["sections"].as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["chain/vpn/berlin"]);

    site.show(vec![berlin()], vec![rotated(Some("Up"))]);
    let (latest, update) = events.next().await.unwrap();
    assert_eq!(update["order"], json!(["summary", "chain/vpn/berlin"]));

    // Whoever comes back with what there is hears nothing until there is something else; else everything.
    let mut back = site.events("/live?state=of-yesterday", Some(&latest)).await;
    let mut heard = std::pin::pin!(back.next());
    assert!(futures::poll!(&mut heard).is_pending());
    site.show(vec![berlin()], vec![rotated(None)]);
    assert_eq!(heard.await.unwrap().1["sections"].as_array().unwrap().len(), 1);
    let mut late = site.events("/live", Some(&seen)).await;
    assert_eq!(late.next().await.unwrap().1["sections"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_chain_that_is_deleted_while_somebody_looks_is_said_to_be_gone() {
    let site = in_trouble();
    let mut events = site.events("/chains/vpn/berlin/live", None).await;
    assert_eq!(events.next().await.unwrap().1["order"], json!(["chain", "hops", "incidents"]));
    site.show(vec![], vec![]);
    let (_, update) = events.next().await.unwrap();
    assert_eq!((&update["order"], &update["title"]), (&json!(["missing"]), &json!("no such chain")));
}

#[tokio::test]
async fn what_changes_nothing_that_is_shown_is_not_sent_and_the_end_is_told() {
    let site = in_trouble();
    let mut events = site.events("/live", None).await;
    events.next().await.unwrap();
    site.show(vec![berlin()], vec![rotated(None), symptom()]);
    site.publisher.operator(|operator| operator.identity = "hopkeeper-0".into());
    site.stop.cancel();
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn viewers_are_bounded_and_one_who_leaves_makes_room() {
    let site = in_trouble();
    let mut all = Vec::new();
    for _ in 0..MAX_VIEWERS {
        all.push(site.events("/live", None).await);
    }
    assert_eq!(site.get("/live").await.0, StatusCode::SERVICE_UNAVAILABLE);
    all.pop();
    site.events("/live", None).await;
}

/// The time is printed, not asserted: machines differ.
#[tokio::test]
async fn the_page_of_fifty_chains() {
    let (mut chains, mut incidents) = (Vec::new(), Vec::new());
    for number in 0..50 {
        let name = format!("berlin-{number:02}");
        chains.push(named(&berlin(), &name));
        for (count, incident) in [(2, symptom()), (50, rotated(Some("Up")))] {
            for each in 0..count {
                let mut incident = incident.clone();
                incident.metadata.name = Some(format!("{name}-{}-{each}", incident.spec.hop));
                incident.spec.chain.clone_from(&name);
                incidents.push(incident);
            }
        }
    }
    let site = Site::with(chains, incidents);
    let begun = std::time::Instant::now();
    let (status, page) = site.get("/").await;
    let first = begun.elapsed();
    site.get("/").await;
    let again = begun.elapsed() - first;
    println!("50 chains, 2600 incidents: {} bytes, first {first:?}, again {again:?}", page.len());
    assert_eq!((status, page.matches("class=\"chain ").count()), (StatusCode::OK, 50));
}
