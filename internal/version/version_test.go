package version

import (
	"runtime/debug"
	"testing"
)

func TestResolve(t *testing.T) {
	vcs := []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}}
	cases := []struct {
		rule  string
		set   Info
		build debug.BuildInfo
		want  Info
	}{
		{
			rule:  "what the linker set wins",
			set:   Info{Version: "v1", Commit: "c", Date: "d"},
			build: debug.BuildInfo{Main: debug.Module{Version: "v9"}, Settings: vcs},
			want:  Info{Version: "v1", Commit: "c", Date: "d"},
		},
		{
			rule:  "without the linker, Go's own record answers",
			build: debug.BuildInfo{Main: debug.Module{Version: "v9"}, Settings: vcs},
			want:  Info{Version: "v9", Commit: "abc", Date: "2026-01-02T03:04:05Z"},
		},
		{
			rule:  "a build from a work tree is dev",
			build: debug.BuildInfo{Main: debug.Module{Version: "(devel)"}},
			want:  Info{Version: "dev", Commit: "unknown", Date: "unknown"},
		},
		{
			rule: "nothing known says so",
			want: Info{Version: "dev", Commit: "unknown", Date: "unknown"},
		},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			if got := resolve(c.set, &c.build); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestGetIsComplete(t *testing.T) {
	got := Get()
	if got.Version == "" || got.Commit == "" || got.Date == "" || got.Go == "" {
		t.Errorf("an empty field in %+v", got)
	}
}

func TestStringIsOneLine(t *testing.T) {
	got := Info{Version: "v1", Commit: "abc", Date: "2026-01-02T03:04:05Z", Go: "go1.26"}.String()
	want := "stateway v1 (commit abc, built 2026-01-02T03:04:05Z, go1.26)"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
