package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/store"
)

// The kinds of jobs.
const (
	kindExport = "export"
	kindImport = "import"
)

// common is what every job says of itself. The JSON names are a stored form.
type common struct {
	// Request is the URL of the kick-off, and Base that of FHIR REST for its client.
	Request string `json:"request"`
	Base    string `json:"base"`
	// Who asked.
	Who access.Principal `json:"who"`
	// Key of the files in the job's folder.
	Key []byte `json:"key"`
	// Secret of the URLs of files; empty where they need a token.
	Secret string `json:"secret,omitempty"`
	// At is the time that is told of: of an export that of the state, of an import that of the kick-off.
	At time.Time `json:"at"`
	// Files that were written, as far as they count.
	Files []file `json:"files,omitempty"`
	// Tries that failed since the last step that was done, and Failed why all failed; empty while it may go well.
	Tries  int    `json:"tries,omitempty"`
	Failed string `json:"failed,omitempty"`
}

// exported is an export: what is wanted, and how far it is.
type exported struct {
	common
	// Upto is the event at which the state is told of, Above the one behind which.
	Upto  int64  `json:"upto"`
	Above *int64 `json:"above,omitempty"`
	// Since and Until bound when things were last updated.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	Takes []take    `json:"takes"`
	// Compartment says that it is of patients, and Listed that the folder lists them.
	Compartment bool `json:"compartment,omitempty"`
	Listed      bool `json:"listed,omitempty"`
	// Take is the one that is under way, and Spot how far it is.
	Take int  `json:"take"`
	Spot Spot `json:"spot"`
	// Lines that were written.
	Lines int64 `json:"lines"`
}

// take is what is wanted of one type.
type take struct {
	Type     string   `json:"type"`
	Queries  []string `json:"queries,omitempty"`
	Elements []string `json:"elements,omitempty"`
	// Whole says that it is also of what is about no patient.
	Whole bool `json:"whole,omitempty"`
}

func (c *call) exportAll() error      { return c.export(ofAll) }
func (c *call) exportPatients() error { return c.export(ofPeople) }
func (c *call) exportGroup() error    { return c.export(ofMembers) }

// export begins one: the state that it tells of is fixed before the answer.
func (c *call) export(level string) error {
	a, err := c.ask(level)
	if err != nil {
		return err
	}
	if err := c.room(kindExport); err != nil {
		return err
	}
	x := &exported{
		common: c.common(), Compartment: level != ofAll, Since: a.since, Until: a.until,
	}
	for _, typ := range a.types {
		whole := level == ofAll || slices.Contains(supporting, typ)
		x.Takes = append(x.Takes, take{typ, a.filters[typ], a.elementsOf(typ), whole})
	}
	people, err := c.people(a, level)
	if err != nil {
		return err
	}
	x.Listed = people != nil
	if !a.since.IsZero() {
		if seq, ok, err := c.Store.KeptMoment(c.ctx, c.who.Tenant, a.since); err != nil {
			return err
		} else if ok {
			x.Above = &seq
		}
	}
	id := c.ID()
	if err := c.freeze(id, x, a, people); err != nil {
		c.discard(id)
		return err
	}
	return c.add(id, kindExport, x)
}

// common of a kick-off.
func (c *call) common() common {
	base := c.Face.Base(c.r)
	request := base + c.r.URL.EscapedPath()[len(Prefix):]
	if c.r.URL.RawQuery != "" {
		request += "?" + c.r.URL.RawQuery
	}
	out := common{Request: request, Base: base, Who: c.who, Key: newKey(), At: c.Now()}
	if c.Capability {
		out.Secret = c.ID()
	}
	return out
}

// room says whether the tenant may begin one more job. AddJob has the last word.
func (c *call) room(kind string) error {
	jobs, err := c.Store.JobsKept(c.ctx, false)
	if err != nil {
		return err
	}
	running := 0
	for i := range jobs {
		if jobs[i].Tenant == c.who.Tenant && jobs[i].Kind == kind {
			running++
		}
	}
	if running >= c.PerTenant {
		return tooMany(c.PerTenant)
	}
	return nil
}

// comeAgain is after how many seconds a client may try to begin a further job.
const comeAgain = 30

func tooMany(most int) error {
	return &busy{comeAgain, fault.Newf(fault.Unavailable, "throttled", "%d jobs of this kind are under way already: wait for one of them, or delete it", most)}
}

// add keeps a job and answers the kick-off.
func (c *call) add(id, kind string, of any) error {
	data, err := json.Marshal(of)
	if err != nil {
		return err
	}
	job := store.Job{Tenant: c.who.Tenant, ID: id, Kind: kind, Created: c.Now(), Data: data}
	if err := c.Store.AddJob(c.ctx, job, c.PerTenant); err != nil {
		c.discard(id)
		if fault.Of(err) == fault.Precondition {
			return tooMany(c.PerTenant)
		}
		return err
	}
	c.rouse()
	c.accepted(id)
	return nil
}

// discard removes the files of a job.
func (r *Room) discard(id string) {
	if err := os.RemoveAll(r.folder(id)); err != nil {
		r.Log.Warn("the files of a bulk job could not be removed", "job", id, "error", err)
	}
}

// people are whom an export is of; nil for everybody.
func (c *call) people(a *asked, level string) ([]ref.Patient, error) {
	var people []ref.Patient
	if level == ofMembers {
		id := c.r.PathValue("id")
		if !ref.ValidID(id) {
			return nil, fault.Newf(fault.NotFound, "not-found", "there is no such Group")
		}
		members, err := c.Face.Cohort(c.ctx, c.who.Tenant, id)
		if err != nil {
			return nil, err
		}
		people = append([]ref.Patient{}, members...)
	}
	if len(a.patients) == 0 {
		return people, nil
	}
	found, unknown, err := c.Face.Patients(c.ctx, c.who.Tenant, a.patients)
	if err != nil {
		return nil, err
	}
	wanted := []ref.Patient{}
	outside := len(unknown)
	for _, p := range found {
		if _, member := slices.BinarySearch(people, p); people != nil && !member {
			outside++
			continue
		}
		wanted = append(wanted, p)
	}
	if outside > 0 {
		if !a.lenient {
			return nil, fault.New(fault.Invalid, fault.Errorf("not-found", "", "%d of the patients named are not known here, or not in the group", outside))
		}
		a.issues = append(a.issues, fault.Warnf("not-found", "", "%d of the patients named are not known here, or not in the group, and were left out", outside))
	}
	return wanted, nil
}

// peopleFile lists whom an export is of.
const peopleFile = "people.json"

// freeze fixes the state that an export tells of, and writes what has to be written at once.
func (c *call) freeze(id string, x *exported, a *asked, people []ref.Patient) error {
	folder := c.folder(id)
	if err := os.Mkdir(folder, 0o700); err != nil {
		return fault.Wrap(fault.Internal, err, "making the folder of an export")
	}
	if x.Listed {
		if err := writeWhole(folder, x.Key, peopleFile, people); err != nil {
			return err
		}
	}
	shelf, err := openShelf(folder, x.Key, nil)
	if err != nil {
		return err
	}
	defer shelf.close()
	of := make([]Taken, len(x.Takes))
	for n := range x.Takes {
		of[n] = x.taken(n, whom{x.Compartment, people})
	}
	x.Upto, err = c.Face.Freeze(c.ctx, c.who.Tenant, of, func(n int, resource []byte) error {
		x.Lines++
		return shelf.add(roleOutput, x.Takes[n].Type, resource)
	})
	if err != nil {
		return err
	}
	for _, issue := range a.issues {
		if err := shelf.add(roleError, "OperationOutcome", fhir.Outcome(issue)); err != nil {
			return err
		}
	}
	if x.Files, err = shelf.settle(); err != nil {
		return err
	}
	x.At, err = c.Store.KeepMoment(c.ctx, c.who.Tenant, x.At, x.Upto)
	return err
}

func writeWhole(folder string, key []byte, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c, err := chestOf(folder, key, name)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	f := &filler{chest: c, into: &out}
	if _, err = f.Write(data); err == nil {
		err = f.flush()
	}
	if err == nil {
		err = os.WriteFile(c.path, out.Bytes(), 0o600)
	}
	return fault.Wrap(fault.Internal, err, "writing a file of an export")
}

// readWhole reads what writeWhole wrote.
func readWhole(folder string, key []byte, name string, into any) error {
	c, err := chestOf(folder, key, name)
	if err != nil {
		return err
	}
	f, err := c.open()
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.NewSectionReader(f, 0, f.size))
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	return err
}

// whom is about whom an export is.
type whom struct {
	compartment bool
	// people in order; nil for everybody.
	people []ref.Patient
}

// of says about whom; nil for everything.
func (w whom) of() func(ref.Patient) bool {
	switch {
	case w.people != nil:
		return func(p ref.Patient) bool { _, ok := slices.BinarySearch(w.people, p); return ok }
	case w.compartment:
		return func(ref.Patient) bool { return true }
	default:
		return nil
	}
}

// maxNamed is of how many the store is asked by name; of more everything is read.
const maxNamed = 100

// named are the people, where they are few.
func (w whom) named() []ref.Patient {
	if len(w.people) > maxNamed {
		return nil
	}
	return w.people
}

// taken is what is taken of the n-th type.
func (x *exported) taken(n int, w whom) Taken {
	t := x.Takes[n]
	out := Taken{Type: t.Type, Queries: t.Queries, Elements: t.Elements, Upto: x.Upto, Above: x.Above, Since: x.Since, Until: x.Until}
	if !t.Whole {
		out.Of, out.Patients = w.of(), w.named()
	}
	return out
}

// The sizes of the steps of an export.
const (
	// portionSize is how many stored versions are read at once.
	portionSize = 200
	// stepBytes is about how much is written before it is noted how far it is.
	stepBytes = 4 << 20
)

// takeOut goes on with an export to its end.
func (r *Room) takeOut(ctx context.Context, job *store.Job) error {
	x := &exported{}
	if err := json.Unmarshal(job.Data, x); err != nil {
		return fault.Wrap(fault.Internal, err, "reading an export")
	}
	var people []ref.Patient
	if x.Listed {
		people = []ref.Patient{}
		if err := readWhole(r.folder(job.ID), x.Key, peopleFile, &people); err != nil {
			return fault.Wrap(fault.Internal, err, "reading whom an export is of")
		}
	}
	shelf, err := openShelf(r.folder(job.ID), x.Key, x.Files)
	if err != nil {
		return err
	}
	defer shelf.close()
	ctx = r.As(ctx, x.Who)
	of := whom{x.Compartment, people}
	for x.Take < len(x.Takes) {
		if err := r.step(ctx, job, x, shelf, of); err != nil {
			return err
		}
	}
	r.Log.Info("an export is done", slog.String("job", job.ID), slog.Int64("resources", x.Lines))
	return r.finish(ctx, job, &x.common, x)
}

// step reads portions until there is enough for a step, or nothing more of a type, and notes how far it is.
func (r *Room) step(ctx context.Context, job *store.Job, x *exported, s *shelf, of whom) error {
	for typ := x.Take; x.Take == typ && s.pending < stepBytes; {
		var p Portion
		err := r.gently(ctx, "", func() (err error) {
			p, err = r.Face.Portion(ctx, job.Tenant, x.taken(typ, of), x.Spot, portionSize)
			return err
		})
		if err != nil {
			return err
		}
		for _, resource := range p.Resources {
			if err := s.add(roleOutput, x.Takes[typ].Type, resource); err != nil {
				return err
			}
		}
		x.Lines += int64(len(p.Resources))
		if len(p.Gone) > 0 && !x.Since.IsZero() {
			if err := s.add(roleDeleted, "Bundle", deletions(p.Gone)); err != nil {
				return err
			}
		}
		if p.Next != nil {
			x.Spot = *p.Next
		} else {
			x.Take, x.Spot = x.Take+1, Spot{}
		}
	}
	var err error
	if x.Files, err = s.settle(); err != nil {
		return err
	}
	x.Tries = 0
	return r.put(ctx, job, x)
}

// deletions is the Bundle that tells what was deleted.
func deletions(of []ref.Resource) []byte {
	type request struct {
		Method string `json:"method"`
		URL    string `json:"url"`
	}
	type entry struct {
		Request request `json:"request"`
	}
	out := struct {
		ResourceType string  `json:"resourceType"`
		Type         string  `json:"type"`
		Entry        []entry `json:"entry"`
	}{ResourceType: "Bundle", Type: "transaction"}
	for _, one := range of {
		out.Entry = append(out.Entry, entry{request{"DELETE", one.Type + "/" + one.ID}})
	}
	body, err := json.Marshal(out)
	if err != nil {
		return []byte(`{"resourceType":"Bundle","type":"transaction"}`) // cannot be: it is made of strings
	}
	return body
}
