# Thin: CMake builds, tests/run tests. `make run` and `make test` are all a newcomer needs.

JOBS := $(shell nproc 2>/dev/null || echo 2)
SOURCES = $(wildcard protocol/*.[ch] storage/*.[ch] server/*.[ch] server/api/*.[ch] \
	server/commands/*.[ch] tests/*.[ch] tests/bench/*.[ch] tests/scale/*.[ch] tests/unit/*.[ch] tests/fuzz/*.[ch])
RUN_FLAGS ?= --store sqlite:data/demo.db

.PHONY: build run test test-asan test-tsan test-mongod test-soak test-faults test-schemathesis fuzz scale bench bench-profile coverage golden format style lint clean

build:
	@tests/install build
	@mkdir -p build && cmake --preset release >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
	@cmake --build build --target consultd -j $(JOBS)

run: build
	@mkdir -p data
	@build/consultd --demo $(RUN_FLAGS)

test:
	@tests/install build test
	@tests/run --jobs $(JOBS) release dev

test-asan:
	@tests/install build test
	@tests/run --jobs $(JOBS) dev

test-tsan:
	@tests/install build test
	@tests/run --jobs $(JOBS) tsan

# What concerns MongoDB, on a real one: $MONGODB_URI, a mongod in the PATH, or one that tests/mongod
# unpacks into build/mongod. make test takes the first two, else a MongoDB-compatible server in Java.
test-mongod:
	@tests/install build test
	@test -n "$(MONGODB_URI)" || command -v mongod >/dev/null || tests/mongod
	@tests/run --jobs $(JOBS) --mongod release

# Sockets coming and going, two minutes of it, under AddressSanitizer; make test does a little of it.
SOAK_FLAGS ?= --soak 120 --sockets 2000
test-soak:
	@tests/install build test
	@mkdir -p build/asan && cmake --preset dev >build/asan/configure.log 2>&1 || { cat build/asan/configure.log; exit 1; }
	@cmake --build build/asan --target consultd -j $(JOBS)
	@tests/cluster/run --server build/asan/consultd --only soak $(SOAK_FLAGS)

# Times every list on a small and on a large store; see SCALE.md.
scale:
	@tests/install build test
	@tests/scale/run $(SCALE_FLAGS)

# consultd beside a bare relay, centrifuge and servers of the usual making, which it installs into
# build/bench: a quarter of an hour on a machine that should do nothing else meanwhile.
# BENCH_FLAGS="--quick", "--only rest", "--large --markdown FILE"; tests/bench/run --help has all.
bench:
	@tests/install build test
	@tests/bench/run --jobs $(JOBS) $(BENCH_FLAGS)

# Where a server's time goes under that load: flame graphs of the process and of its threads, in
# build/bench/profile. PROFILE_FLAGS="--form mongo+redis", "--rate 8000"; tests/bench/profile --help.
bench-profile:
	@tests/install build test profile
	@tests/bench/profile --jobs $(JOBS) $(PROFILE_FLAGS)

# More of what make test does a little of: EXAMPLES per endpoint, from SEED.
EXAMPLES ?= 200
SEED ?= 20180610
test-schemathesis: build
	@tests/install build test
	@tests/schemathesis/run --server build/consultd --examples $(EXAMPLES) --seed $(SEED)

# Looks for inputs that break a parser, FUZZ_SECONDS for each of the targets in tests/fuzz (TARGET: only
# that one). What breaks one is kept in tests/fuzz/regression, and make test tries it ever after.
FUZZ_SECONDS ?= 60
TARGET ?= *
fuzz:
	@tests/install build fuzz
	@cmake --preset fuzz >/dev/null && cmake --build build/libfuzzer --target fuzz_targets -j $(JOBS)
	@tests/fuzz/run $(FUZZ_SECONDS) build/libfuzzer/fuzz/fuzz_$(TARGET)

build/mongo-server/built: tests/mongo-server/pom.xml $(wildcard tests/mongo-server/src/main/java/*)
	@tests/install build test
	@mvn -q -B -f tests/mongo-server -Dout=$(CURDIR)/build/mongo-server compile \
		dependency:copy-dependencies
	@touch $@

# Minutes of what make test does for seconds: nodes, Redis and store killed, paused and cut off under
# load. It prints its seed; make test-faults FAULT_FLAGS="--seed N --form mongo" does that one again,
# FAULT_FLAGS="--rounds 20 --seconds 12 --patients 50" the short form with twenty seeds.
FAULT_FLAGS ?= --seconds 120 --patients 120
test-faults: build build/mongo-server/built
	@tests/install build test
	@tests/faults/run --server build/consultd $(FAULT_FLAGS)

coverage:
	@tests/install build test extra
	@tests/run --jobs $(JOBS) coverage
	@mkdir -p build/coverage/html
	@gcovr --root . --object-directory build/coverage --filter protocol/ --filter storage/ \
		--filter server/ --print-summary --html-details build/coverage/html/index.html
	@echo "Line by line: build/coverage/html/index.html"

# After a change of the API: what is served, for review in tests/golden.
golden: build
	@build/consultd --print-openapi >tests/golden/openapi.json
	@build/consultd --print-asyncapi >tests/golden/asyncapi.json
	@git diff --stat -- tests/golden

format:
	@tests/install extra
	@clang-format -i $(SOURCES)

# What `make test` checks of the text of the program.
style:
	@tests/check_rooms
	@clang-format --dry-run -Werror $(SOURCES)
	@wc -l $(SOURCES) | awk '$$2 != "total" && $$1 > 700 { print $$2 ": " $$1 " lines, over 700"; bad = 1 } \
		END { exit bad }'

lint:
	@tests/install build extra
	@$(MAKE) --no-print-directory style
	@cmake --preset clang >/dev/null && cmake --build build/clang -j $(JOBS)

clean:
	@rm -rf build
