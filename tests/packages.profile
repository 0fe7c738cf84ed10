# What `make bench-profile` needs besides; the columns are the same.
linux-perf          perf
