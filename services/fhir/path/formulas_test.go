package path

import (
	"testing"
)

func TestATypicalTotalIsComputed(t *testing.T) {
	f, err := Load(t.Context(), []byte(moodForm(typicalTotal)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Evaluate(t.Context(), []byte(moodResponse(0, 1, 2, 3, 3, 2, 1, 0, 1)))
	if err != nil || len(got) != 1 || got[0].Value == nil || got[0].Value.Text != "13" {
		t.Fatalf("%+v %v", got, err)
	}
	rests, err := f.Depends(t.Context(), "/44261-6")
	t.Log(rests, err)
	low, high, ok, err := f.Range(t.Context(), "/44261-6")
	t.Log(low, high, ok, err)
}
