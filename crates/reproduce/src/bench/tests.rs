//! Tests of `bench.rs`.

use super::*;

#[test]
fn a_quick_report_is_whole_and_judges_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    let args = Args { out: dir.path().join("bench"), quick: true };
    assert_eq!(run(&args, &mut out).unwrap(), Verdict::Fine);
    let printed = String::from_utf8(out).unwrap();
    assert!(printed.contains("exponent of time in T, f32") && printed.contains("report.html"), "{printed}");
    assert!(!printed.contains("not finite"), "{printed}");
    for file in ["report.html", "metrics.json", "growth.svg", "law.svg", "parallel.svg", "roofline.svg"] {
        assert!(args.out.join(file).is_file(), "{file}");
    }
}
