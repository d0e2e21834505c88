//! The browser's files are built by the xtask and embedded by this crate; without them there is nothing to embed.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=../../ui/dist");
    println!("cargo::rerun-if-changed=templates");
    println!("cargo::rerun-if-changed=locales");
    if !Path::new("../../ui/dist/manifest.json").is_file() {
        println!("cargo::error=ui/dist/manifest.json is missing. Run `cargo xtask ui` (or `cargo xtask setup`) once.");
    }
}
