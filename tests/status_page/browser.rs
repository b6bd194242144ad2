//! Headless Chromium, driven through its DevTools protocol over two pipes: no port, no library.

use std::process::Stdio;
use std::time::Duration;

use k8s_openapi::ByteString;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::needs::pass_over;

/// A machine that is busy with everything else as well is slow, not broken.
const LIMIT: Duration = Duration::from_secs(60);

/// What is expected of every page from its start: who breaks the policy is noted.
const NOTE_VIOLATIONS: &str = "addEventListener('securitypolicyviolation', (event) => console.error(\
                               `policy: ${event.violatedDirective} ${event.blockedURI}`));";

/// Texts whose contrast with what is behind them is under 4.5 (WCAG 2, level AA).
pub const POOR_CONTRAST: &str = r#"(() => {
  const parse = (text) => (text.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const light = (colour) => colour.slice(0, 3).map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const shape = e.matches?.("a.hop, g.end") && e.querySelector("rect");
      const paint = shape ? getComputedStyle(shape).fill : getComputedStyle(e).backgroundColor;
      const colour = parse(paint);
      if (paint !== "none" && (colour[3] ?? 1) > 0) return colour;
    }
    return [255, 255, 255];
  };
  const poor = new Set();
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const ink = light(parse(element.closest("svg") ? style.fill : style.color));
    const ground = light(behind(element));
    const contrast = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
    if (contrast < 4.5) poor.add(`${element.tagName}.${element.getAttribute("class") ?? ""} ${contrast.toFixed(2)}`);
  }
  return [...poor];
})()"#;

/// A running browser; killed when dropped.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    calls: u64,
    events: Vec<Value>,
    _profile: TempDir,
}

/// A tab: the protocol's session and target.
pub struct Tab(String, Value);

/// A question that was asked.
pub struct Asked(u64);

impl Browser {
    /// None where Chromium is not installed, which under CI is a failure.
    pub async fn start() -> Option<Self> {
        let profile = tempfile::tempdir().expect("should make a directory");
        // The protocol is spoken over the descriptors 3 and 4. It must not outlive the tests, however they end.
        let mut child = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "sh",
                "-c",
                "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1",
                "sh",
            ])
            .args([
                "--headless",
                "--remote-debugging-pipe",
                "--no-first-run",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            // Root runs the tests. All that is loaded is ours.
            .args(["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-extensions", "--hide-scrollbars", "--lang=en", "--force-color-profile=srgb"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("setpriv should start");
        let to = child.stdin.take().expect("it is piped");
        let from = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut browser = Self { child, to, from, calls: 0, events: Vec::new(), _profile: profile };
        if browser.try_call("Browser.getVersion", json!({}), None).await.is_none() {
            pass_over("chromium: run tests/lab/lab.sh deps");
            return None;
        }
        Some(browser)
    }

    /// A page in a tab of its own, loaded.
    pub async fn open(&mut self, url: &str, width: u32, height: u32, dark: bool) -> Tab {
        let target = self.call("Target.createTarget", json!({ "url": "about:blank" }), None).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.call("Target.attachToTarget", attach, None).await["sessionId"].clone();
        let tab = Tab(session.as_str().expect("a session should have an id").to_owned(), target["targetId"].clone());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.of(&tab, &format!("{domain}.enable"), json!({})).await;
        }
        self.of(&tab, "Page.addScriptToEvaluateOnNewDocument", json!({ "source": NOTE_VIOLATIONS })).await;
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.of(&tab, "Emulation.setDeviceMetricsOverride", size).await;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.of(&tab, "Emulation.setEmulatedMedia", media).await;
        self.of(&tab, "Page.navigate", json!({ "url": url })).await;
        self.until(&tab, &format!("location.href === '{url}' && document.readyState === 'complete'")).await;
        tab
    }

    /// Closes a tab: a browser keeps six connections to a server open, and each page that is live has one.
    pub async fn close(&mut self, Tab(_, target): Tab) {
        self.call("Target.closeTarget", json!({ "targetId": target }), None).await;
    }

    /// What an expression says.
    pub async fn value(&mut self, tab: &Tab, expression: &str) -> Value {
        let arguments = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        value_of(&self.of(tab, "Runtime.evaluate", arguments).await)
    }

    /// The same, where that is a list of texts.
    pub async fn texts(&mut self, tab: &Tab, expression: &str) -> Vec<String> {
        serde_json::from_value(self.value(tab, expression).await).expect("it should be a list of texts")
    }

    /// Waits until a condition holds.
    pub async fn until(&mut self, tab: &Tab, condition: &str) {
        // A document that is being replaced takes its promises with it: ask the next one again.
        let limit = tokio::time::Instant::now() + LIMIT;
        loop {
            let asked = self.begin_until(tab, condition).await;
            let answer = self.answer(asked).await.expect("the browser should go on");
            if answer["result"]["result"]["value"] == json!(true) {
                return;
            }
            assert!(tokio::time::Instant::now() < limit, "{condition}: {answer}");
        }
    }

    /// Begins to wait until a condition holds, looking at each change of the document.
    pub async fn begin_until(&mut self, tab: &Tab, condition: &str) -> Asked {
        let milliseconds = LIMIT.as_millis();
        let expression = format!(
            "new Promise((done, failed) => {{ const holds = () => {{ try {{ return {condition}; }} catch {{ return false; }} }};
               if (holds()) return done(true);
               const look = () => {{ if (holds()) {{ observer.disconnect(); done(true); }} }};
               const observer = new MutationObserver(look);
               observer.observe(document, {{ subtree: true, childList: true, attributes: true, characterData: true }});
               addEventListener('load', look);
               setTimeout(() => failed(new Error('not within {milliseconds} ms')), {milliseconds}); }})"
        );
        let arguments = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        self.ask("Runtime.evaluate", arguments, Some(tab)).await.expect("the browser should listen")
    }

    /// Waits for what was begun.
    pub async fn finish(&mut self, asked: Asked) {
        let answer = self.answer(asked).await.expect("the browser should go on");
        assert_eq!(value_of(&answer["result"]), json!(true));
    }

    /// A key is pressed and let go.
    pub async fn press(&mut self, tab: &Tab, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            other => panic!("the code of {other} is not known"),
        };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": if kind == "keyDown" { text } else { "" } });
            self.of(tab, "Input.dispatchKeyEvent", event).await;
        }
    }

    /// What the tab shows, as PNG.
    pub async fn picture(&mut self, tab: &Tab) -> Vec<u8> {
        let answer = self.of(tab, "Page.captureScreenshot", json!({ "format": "png" })).await;
        let ByteString(png) = serde_json::from_value(answer["data"].clone()).expect("a picture should be base64");
        png
    }

    /// Every address that was asked for.
    pub fn requests(&self) -> impl Iterator<Item = String> + '_ {
        let sent = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        sent.filter_map(|event| event["params"]["request"]["url"].as_str()).map(str::to_owned)
    }

    /// Whatever a console showed as a warning or an error.
    pub fn complaints(&self) -> Vec<String> {
        let is_bad = |level: &Value| level == "error" || level == "warning" || level == "assert";
        let complains = |event: &&Value| match event["method"].as_str() {
            Some("Log.entryAdded") => is_bad(&event["params"]["entry"]["level"]),
            Some("Runtime.consoleAPICalled") => is_bad(&event["params"]["type"]),
            Some("Runtime.exceptionThrown") => true,
            _ => false,
        };
        self.events.iter().filter(complains).map(Value::to_string).collect()
    }

    /// Ends it.
    pub async fn end(mut self) {
        self.child.kill().await.expect("it should be killed");
    }

    async fn of(&mut self, tab: &Tab, method: &str, parameters: Value) -> Value {
        self.call(method, parameters, Some(tab)).await
    }

    async fn call(&mut self, method: &str, parameters: Value, tab: Option<&Tab>) -> Value {
        let answer = self.try_call(method, parameters, tab).await.expect("the browser should go on");
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    async fn try_call(&mut self, method: &str, parameters: Value, tab: Option<&Tab>) -> Option<Value> {
        let asked = self.ask(method, parameters, tab).await?;
        self.answer(asked).await
    }

    async fn ask(&mut self, method: &str, parameters: Value, tab: Option<&Tab>) -> Option<Asked> {
        self.calls += 1;
        let mut message = json!({ "id": self.calls, "method": method, "params": parameters });
        if let Some(Tab(session, _)) = tab {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).await.ok()?;
        Some(Asked(self.calls))
    }

    /// The answer to a question; what is told meanwhile is kept.
    async fn answer(&mut self, Asked(id): Asked) -> Option<Value> {
        loop {
            let mut bytes = Vec::new();
            let read = tokio::time::timeout(2 * LIMIT, self.from.read_until(0, &mut bytes)).await;
            read.expect("the browser should answer").ok()?;
            let message: Value = serde_json::from_slice(bytes.strip_suffix(&[0])?).expect("it should speak JSON");
            if message["id"] == id {
                return Some(message);
            }
            self.events.push(message);
        }
    }
}

fn value_of(answer: &Value) -> Value {
    assert!(answer.get("exceptionDetails").is_none(), "{answer}");
    answer["result"]["value"].clone()
}
