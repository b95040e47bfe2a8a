//! The binary embeds the SDK's folders: an edit in there is an edit of the binary.

fn main() {
    for folder in ["rust", "wit", "typescript"] {
        println!("cargo::rerun-if-changed=../sdk/{folder}");
    }
}
