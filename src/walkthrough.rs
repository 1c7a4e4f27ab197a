//! `up` and `down` as straight code: which stage needs which.
