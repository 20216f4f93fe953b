//! The container's image, as far as it can be tried without a container: its root, with nothing else around it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the binary inside the root, as the image's user.
fn inside(root: &Path, args: &[&str]) -> Output {
    let is_root = Command::new("id").arg("-u").output().expect("id is everywhere").stdout == b"0\n";
    let mut command = if is_root {
        let mut command = Command::new("chroot");
        command.arg("--userspec=10001:10001");
        command
    } else {
        // Without rights a user namespace of one's own does; there is then one user only.
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "chroot"]);
        command
    };
    command
        .arg(root)
        .arg("/usr/local/bin/dockside")
        .args(args)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .expect("a process starts")
}

/// The files below a directory, by their path in it.
fn files(root: &Path, below: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(below).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(root, &path, found);
        } else {
            found.insert(path.strip_prefix(root).expect("below it").display().to_string());
        }
    }
}

#[test]
fn the_image_holds_the_binary_and_what_it_needs_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().join("rootfs");
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = Command::new(home.join("deploy/rootfs.sh"))
        .args([Path::new(env!("CARGO_BIN_EXE_dockside")), &root])
        .output()
        .expect("bash is there");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let mut found = BTreeSet::new();
    files(&root, &root, &mut found);
    let known = ["etc/dockside/", "usr/share/doc/dockside/"];
    found.retain(|file| !known.iter().any(|known| file.starts_with(known)));
    let libraries = found.iter().filter(|file| file.contains(".so")).count();
    assert!((3..8).contains(&libraries), "{found:?}");
    found.retain(|file| !file.contains(".so"));
    let others = [
        "etc/group",
        "etc/nsswitch.conf",
        "etc/passwd",
        "etc/ssl/certs/ca-certificates.crt",
        "usr/local/bin/dockside",
    ];
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), others);
    let listed =
        std::fs::read_to_string(root.join("usr/share/doc/dockside/sbom.cdx.json")).expect("it is there");
    assert!(listed.contains("\"name\": \"librdkafka\""), "the list of what it is made of");

    for (args, code, says) in [
        (&["--version"][..], 0, "dockside "),
        (&["check", "--offline", "-c", "/etc/dockside/dockside.toml"], 0, "the configuration is good"),
        (&["demo", "--scans", "1000"], 0, "1,000 scans in"),
        (&["probe", "--set", "http.listen=127.0.0.1:1"], 4, "nobody answers on 127.0.0.1:1"),
        // A name is looked for, and not found: the C library has what it needs to look.
        (
            &["topics", "plan", "--set", "kafka.bootstrap_servers=broker.invalid:9092"],
            4,
            "broker.invalid:9092",
        ),
    ] {
        let ran = inside(&root, args);
        let said = [ran.stdout, ran.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        assert!(ran.status.code() == Some(code) && said.contains(says), "{args:?}: {:?}: {said}", ran.status);
    }
}
