//! What is in each image, and that it is what nix says.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::images;
use super::store::{Mounted, by_nix, inspect, is_built};

const IMAGES: [&str; 5] = ["boringtun", "health", "hopkeeper", "openvpn", "wireguard-go"];
/// Compiled from source: they are of no package of Debian's.
const COMPILED: [&str; 2] = ["boringtun-cli", "hopkeeper"];

/// Every file below a directory that is none itself, by its path from there.
fn files(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
            } else {
                found.insert(entry.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

/// The programs that nix puts into `/bin`.
fn programs(nix: &Value) -> BTreeSet<String> {
    let script = nix["contents"][0].as_str().unwrap();
    let added = script.lines().filter_map(|line| line.strip_prefix("add ")?.split_once(" /"));
    added.map(|(name, _)| name.to_owned()).collect()
}

/// What a program or library asks the loader for, and the loader that it asks for itself.
fn needed(file: &Path) -> Vec<String> {
    let output = Command::new("readelf").args(["--dynamic", "--program-headers", "--wide"]).arg(file).output().unwrap();
    assert!(output.status.success(), "{} is no program", file.display());
    let said = String::from_utf8(output.stdout).unwrap();
    let between = |line: &str, from, to| Some(line.split_once(from)?.1.split_once(to)?.0.to_owned());
    let library = |line: &str| between(line, "Shared library: [", "]");
    let loader = |line: &str| {
        between(line, "program interpreter: /", "]").map(|path| path.rsplit('/').next().unwrap().to_owned())
    };
    said.lines().filter_map(|line| library(line).or_else(|| loader(line))).collect()
}

/// All that the programs need, and what that needs.
fn closure(root: &Path, programs: &BTreeSet<String>, libraries: &BTreeSet<String>) -> BTreeSet<String> {
    let mut open: Vec<String> = programs.iter().map(|name| format!("bin/{name}")).collect();
    let mut closed = BTreeSet::new();
    while let Some(file) = open.pop() {
        for name in needed(&root.join(&file)) {
            let path = libraries.iter().find(|path| path.ends_with(&format!("/{name}")));
            let path = path.unwrap_or_else(|| panic!("{file} needs {name}, which is not in the image"));
            if closed.insert(path.clone()) {
                open.push(path.clone());
            }
        }
    }
    closed
}

/// Runs a program of the image where nothing else is, as nobody, who has no right.
fn runs(root: &Path, program: &str) {
    let arguments: &[&str] = match program {
        "ip" | "bridge" => &["-V"],
        "sh" => &["-c", ":"],
        "sleep" => &["0"],
        "cat" | "head" => &["/etc/passwd"],
        "sed" => &["p", "/etc/passwd"],
        "grep" => &["root", "/etc/passwd"],
        "date" => &["+%s"],
        // Not to be asked without a server.
        "wget" => return,
        _ => &["--version"],
    };
    let output = Command::new("setpriv")
        .args(["--no-new-privs", "/usr/sbin/chroot", "--userspec", "65534:65534"])
        .arg(root)
        .arg(format!("/bin/{program}"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    // OpenVPN leaves with 1 after its version.
    assert!(output.status.success() || (program == "openvpn" && said.starts_with("OpenVPN 2.")), "{program}: {said}");
}

#[test]
fn an_image_holds_the_programs_that_nix_names_their_libraries_and_whose_they_are_and_nothing_else() {
    if !is_built() {
        return;
    }
    let nix = by_nix();
    assert_eq!(nix.as_object().unwrap().keys().collect::<Vec<_>>(), IMAGES);
    for name in IMAGES {
        let (image, programs) = (Mounted::new(name), programs(&nix[name]));
        let files = files(&image.root);
        let below = |directory: &str| -> BTreeSet<String> {
            files.iter().filter_map(|path| path.strip_prefix(directory)).map(str::to_owned).collect()
        };
        assert_eq!(below("bin/"), programs, "{name}");
        let libraries: BTreeSet<_> = files.iter().filter(|path| path.starts_with("lib")).cloned().collect();
        assert_eq!(
            libraries,
            closure(&image.root, &programs, &libraries),
            "{name}: the libraries should be those needed"
        );

        let packages = below("var/lib/dpkg/status.d/");
        let compiled: BTreeSet<_> = programs.iter().filter(|program| COMPILED.contains(&program.as_str())).collect();
        assert!(packages.len() + compiled.len() > 1, "{name}: {packages:?}");
        let mut rest = vec!["etc/os-release".to_owned(), "etc/passwd".to_owned()];
        if name == "hopkeeper" {
            rest.push("etc/ssl/certs/ca-certificates.crt".to_owned());
        }
        rest.extend(packages.iter().map(|package| format!("usr/share/doc/{package}/copyright")));
        rest.extend(packages.iter().map(|package| format!("var/lib/dpkg/status.d/{package}")));
        let other: BTreeSet<_> =
            files.iter().filter(|path| !path.starts_with("lib") && !path.starts_with("bin/")).cloned().collect();
        assert_eq!(other, rest.into_iter().collect(), "{name}");
        for package in &packages {
            let text = fs::read_to_string(image.root.join("var/lib/dpkg/status.d").join(package)).unwrap();
            assert!(
                text.starts_with(&format!("Package: {package}\n")) && text.contains("\nVersion: "),
                "{name}: {text}"
            );
        }
        let mut size = 0;
        for path in &files {
            let file = fs::symlink_metadata(image.root.join(path)).unwrap();
            size += if file.is_file() { file.len() } else { 0 };
            let mode = file.permissions().mode();
            assert!((file.uid(), file.gid()) == (0, 0), "{name}: {path} should be root's");
            assert!(file.is_symlink() || mode & 0o7022 == 0, "{name}: {path} has mode {mode:o}");
        }
        for program in &programs {
            runs(&image.root, program);
        }
        println!(
            "{name}: {:.1} MB, {} programs, {} libraries, {} packages",
            size as f64 / 1e6,
            programs.len(),
            libraries.len(),
            packages.len()
        );
    }
}

#[test]
fn an_image_runs_as_nix_says() {
    if !is_built() {
        return;
    }
    let nix = by_nix();
    for name in IMAGES {
        let (image, nix) = (&inspect(name)["Config"], &nix[name]["config"]);
        for field in ["User", "Entrypoint", "Env"] {
            assert_eq!(image[field], nix[field], "{name}: {field}");
        }
        assert!(image["Cmd"].is_null(), "{name}");
        for (label, value) in nix["Labels"].as_object().unwrap() {
            assert_eq!(&image["Labels"][label], value, "{name}: {label}");
        }
    }
}

#[test]
#[ignore = "builds all of it twice: make images-test"]
fn built_again_with_nothing_kept_an_image_is_the_same_bytes() {
    let ids = || {
        images::build(true).unwrap();
        IMAGES.map(|name| (name, inspect(name)["Id"].clone()))
    };
    assert_eq!(ids(), ids());
}
