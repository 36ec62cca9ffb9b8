//! The documented example runs.

#[expect(dead_code, reason = "its main is for running it by hand")]
#[path = "../examples/embedded.rs"]
mod embedded;

#[tokio::test]
async fn the_embedded_example_runs() {
    embedded::run().await.unwrap();
}
