package lambda

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/stateway/stateway/internal/awsclient"
	"github.com/stateway/stateway/runtime/core"
	"github.com/stateway/stateway/test/harness"
)

const ministackPackage = "ministack==1.5.33"

// ministack returns the program of that AWS emulator. It is installed from PyPI once, into the folder of tools.
func ministack(ctx context.Context) (string, error) {
	if exec.CommandContext(ctx, "python3", "-c", "import venv, ensurepip").Run() != nil {
		return "", &harness.MissingToolError{What: "python3 with venv", Remedy: "apt-get install python3-venv"}
	}
	tools, err := harness.Tools()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(tools, "lambda", strings.Replace(ministackPackage, "==", "-", 1))
	program, installed := filepath.Join(dir, "bin", "ministack"), filepath.Join(dir, "installed")
	if _, err := os.Stat(installed); err == nil {
		return program, nil
	}
	for _, command := range [][]string{
		{"python3", "-m", "venv", "--clear", dir},
		{filepath.Join(dir, "bin", "python3"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", ministackPackage},
	} {
		if _, err := harness.CommandOutput(ctx, command[0], command[1:]...); err != nil {
			return "", err
		}
	}
	return program, os.WriteFile(installed, nil, 0o600)
}

// deployment is a zip file with a bootstrap.
func deployment(t *testing.T, bootstrap string) []byte {
	t.Helper()
	program, err := os.ReadFile(bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	head := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate}
	head.SetMode(0o755)
	w, err := z.CreateHeader(head)
	if err == nil {
		_, err = w.Write(program)
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Another's idea of the Invoke API, with a function that is deployed to it.
func TestUnderMinistack(t *testing.T) {
	program, err := ministack(t.Context())
	var missing *harness.MissingToolError
	if errors.As(err, &missing) {
		t.Skip(missing)
	}
	if err != nil {
		t.Fatal(err)
	}
	port := harness.MustPort(t)
	harness.MustStart(t, harness.Spec{
		Name: "ministack", Path: program, Env: []string{"GATEWAY_PORT=" + strconv.Itoa(port), "BIND_HOST=127.0.0.1"},
	})
	awaitPort(t, port)
	url := fmt.Sprintf("http://%s", harness.Loopback(port))
	api := deploy(t, url, deployment(t, build(t, "./test/aws/lambda/bootstrap")))
	c := newCaller(t, url, "f")
	c.converse()
	states := c.states()
	if o := c.ask(command("a", "exit", states), command("b", "add 1", states)); o.Class != core.GroupFailed {
		t.Errorf("an exit: %+v", o)
	}
	if o := newCaller(t, url, "g").ask(command("a", "add 1", states)); o.Class != core.GroupTrouble || !strings.Contains(o.Reason, "ResourceNotFound") {
		t.Errorf("no such function: %+v", o)
	}
	none := int32(0)
	name := "f"
	if _, err := api.PutFunctionConcurrency(t.Context(), &awslambda.PutFunctionConcurrencyInput{FunctionName: &name, ReservedConcurrentExecutions: &none}); err != nil {
		t.Fatal(err)
	}
	if o := c.ask(command("a", "add 1", states)); o.Class != core.GroupTrouble || !o.Throttled {
		t.Errorf("throttled: %+v", o)
	}
}

// deploy makes the function f of a zip file.
func deploy(t *testing.T, url string, file []byte) *awslambda.Client {
	t.Helper()
	cfg, err := awsclient.Load(t.Context(), awsclient.Options{
		Region: "us-east-1", Endpoint: url, Credentials: awsclient.Credentials{AccessKeyID: "any", SecretAccessKey: "any"}, Retries: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	api := awslambda.NewFromConfig(cfg)
	name, role, handler, timeout := "f", "arn:aws:iam::000000000000:role/f", "bootstrap", int32(30)
	in := &awslambda.CreateFunctionInput{
		FunctionName: &name, Role: &role, Handler: &handler, Runtime: types.RuntimeProvidedal2023, Timeout: &timeout,
		Code: &types.FunctionCode{ZipFile: file},
	}
	if _, err := api.CreateFunction(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, time.Minute, func() bool {
		out, err := api.GetFunctionConfiguration(t.Context(), &awslambda.GetFunctionConfigurationInput{FunctionName: &name})
		return err == nil && out.State == types.StateActive
	}, func() string { return "the function is not active" })
	return api
}
