package subscriptions

import (
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir"
)

// topicCode is the code of every Basic that is here.
const topicCode = "http://hl7.org/fhir/fhir-types|SubscriptionTopic"

// member is one of what a search goes over.
type member struct {
	id   string
	body []byte
	// value of a parameter, empty when it has none.
	value func(name string) string
}

// untold are the parameters that change nothing of what is found: how an answer looks is another's.
var untold = []string{"_format", "_pretty", "_total"}

// The parameters that say which part of what is found is told.
const (
	countParam = "_count"
	pageParam  = "_page"
)

// giveFound answers a search by the parameters that are known. Another one is said to be ignored, or refused where the client
// asks for that: to leave it out silently would widen the search.
func (c *request) giveFound(typ string, known []string, values url.Values, of []member) error {
	count, from, err := part(values)
	if err != nil {
		return err
	}
	used := url.Values{}
	var ignored []fault.Issue
	for key, list := range values {
		name, _, _ := strings.Cut(key, ":")
		switch {
		case slices.Contains(untold, key) || key == pageParam:
			continue
		case key == countParam:
		case !slices.Contains(known, name):
			ignored = append(ignored, fault.Warnf("not-supported", "", "the search parameter %s is not supported for %s and was not applied", plainName(key), typ))
			continue
		default:
			if of, err = narrowed(key, list, of); err != nil {
				return err
			}
		}
		used[key] = list
	}
	slices.SortFunc(ignored, func(a, b fault.Issue) int { return strings.Compare(a.Text, b.Text) })
	if len(ignored) > 0 && strict(c.r.Header) {
		for i := range ignored {
			ignored[i].Severity = fault.Error
		}
		return fault.New(fault.Invalid, ignored...)
	}
	target := c.base + "/" + typ
	out := fhir.Searchset{Self: withQuery(target, used), Total: new(len(of))}
	of = of[min(from, len(of)):]
	if len(of) > count && count > 0 {
		next := url.Values{pageParam: {strconv.Itoa(from + count)}}
		maps.Copy(next, used)
		out.Next = withQuery(target, next)
	}
	for _, m := range of[:min(count, len(of))] {
		out.Matches = append(out.Matches, fhir.Match{FullURL: target + "/" + m.id, Resource: m.body})
	}
	if ignored != nil {
		out.Outcome = fhir.Outcome(ignored...)
	}
	c.reply(http.StatusOK, out.Bundle())
	return nil
}

func withQuery(target string, values url.Values) string {
	if len(values) == 0 {
		return target
	}
	return target + "?" + values.Encode()
}

// part is how many to tell, and how many to pass over before.
func part(values url.Values) (count, from int, err error) {
	count = math.MaxInt
	for name, to := range map[string]*int{countParam: &count, pageParam: &from} {
		text := values.Get(name)
		if text == "" {
			continue
		}
		if *to, err = strconv.Atoi(text); err != nil || *to < 0 {
			return 0, 0, fault.New(fault.Invalid, fault.Errorf("value", "", "the search parameter %s must be a whole number, 0 or more", name))
		}
	}
	return count, from, nil
}

// narrowed are the members that meet all occurrences of a parameter.
func narrowed(key string, list []string, of []member) ([]member, error) {
	name, modifier, _ := strings.Cut(key, ":")
	if modifier != "" && modifier != "missing" {
		return nil, fault.New(fault.Invalid, fault.Errorf("not-supported", "", "the search parameter %s has a modifier that is not supported", name))
	}
	for _, value := range list {
		if modifier == "missing" && value != "true" && value != "false" {
			return nil, fault.New(fault.Invalid, fault.Errorf("value", "", "the search parameter %s with the modifier missing must be true or false", name))
		}
		of = slices.DeleteFunc(slices.Clone(of), func(m member) bool {
			has := m.value(name)
			if modifier == "missing" {
				return (has == "") != (value == "true")
			}
			return !slices.ContainsFunc(strings.Split(value, ","), func(one string) bool { return means(name, one, has) })
		})
	}
	return of, nil
}

// means says whether a value as it is asked for is one that is there: of a coded one the system may be left out, and a string
// is asked for by its beginning.
func means(name, asked, has string) bool {
	_, code, coded := strings.Cut(has, "|")
	return asked == has || coded && asked == code || name == "criteria" && asked != "" && strings.HasPrefix(strings.ToLower(has), strings.ToLower(asked))
}

// plainName is a parameter as it may stand in an answer.
func plainName(name string) string {
	if len(name) > 60 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "with an odd name"
	}
	return name
}

// strict says whether the client wants refused what would be ignored.
func strict(h http.Header) bool {
	return strings.Contains(strings.ReplaceAll(strings.Join(h.Values("Prefer"), ","), " ", ""), "handling=strict")
}
