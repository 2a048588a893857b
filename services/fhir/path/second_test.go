package path

import (
	"bytes"
	"encoding/json"
	"math"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rapport-health/rapport/services/testbed"
)

// second is one row: an expression that people write for scores, and what is different on purpose.
type second struct {
	expression string
	// resource is "mood" (nine answers), "partial", "wild" (all types of answers) or "rows" (nested and repeating).
	resource string
	// why explains a difference; empty when both engines must agree.
	why string
}

// secondOpinions are evaluated by both engines.
var secondOpinions = []second{
	{expression: `%resource.item.where(linkId!='/69722-7').answer.value.weight().sum()`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().sum()`, resource: "mood"},
	{expression: `item.answer.value.ordinal().sum()`, resource: "mood"},
	{expression: `QuestionnaireResponse.item.answer.value.weight().sum()`, resource: "mood"},
	{expression: `%resource.item.where(linkId='/44260-8').answer.value.weight()`, resource: "mood"},
	{expression: `%resource.item.where(linkId='/44260-8').answer.value.weight() >= 1`, resource: "mood"},
	{expression: `%resource.item.where(linkId='/44250-9' or linkId='/44255-8').answer.value.weight().sum()`, resource: "mood"},
	{expression: `%resource.item.where(linkId in ('/44250-9' | '/44255-8')).answer.value.weight().sum()`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().avg()`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().min()`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().max()`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().count()`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().aggregate($this + $total, 0)`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().aggregate($total + $this, 0)`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().select($this * 2).sum()`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().select(4 - $this).sum()`, resource: "mood"},
	{expression: `iif(%resource.item.where(linkId!='/69722-7').answer.count() = 9, %resource.item.answer.value.weight().sum(), {})`, resource: "mood"},
	{expression: `iif(%resource.item.where(linkId!='/69722-7').answer.count() >= 8, (%resource.item.answer.value.weight().sum() / %resource.item.where(linkId!='/69722-7').answer.count() * 9).round(0), {})`, resource: "mood"},
	{expression: `%resource.item.where(answer.value.weight() >= 2).count()`, resource: "mood"},
	{expression: `%resource.item.answer.value.where($this is Coding).code.first()`, resource: "mood"},
	{expression: `%resource.item.answer.where(value.weight() >= 2).count()`, resource: "mood"},
	{expression: `%resource.item.select(answer.value.weight()).sum()`, resource: "mood"},
	{expression: `%resource.repeat(item).where(linkId='/44260-8').answer.value.weight()`, resource: "mood"},
	{expression: `%resource.repeat(item|answer).where(linkId='/44260-8').answer.value.weight()`, resource: "mood"},
	{expression: `%resource.repeat(item | answer.item).where(linkId='/44260-8').answer.value.weight()`, resource: "mood"},
	{expression: `%resource.descendants().where(linkId='/44260-8').answer.value.weight()`, resource: "mood"},
	{expression: `(%resource.item.where(linkId='/44250-9').answer.value.weight() + %resource.item.where(linkId='/44255-8').answer.value.weight()) / 2`, resource: "mood"},
	{expression: `%resource.item.answer.value.ofType(Coding).code.distinct().count()`, resource: "mood"},
	{expression: `%resource.item.answer.value.code.isDistinct()`, resource: "mood"},
	{expression: `%resource.item.where(linkId.startsWith('/44')).count()`, resource: "mood"},
	{expression: `%resource.item.linkId.select(substring(1)).first()`, resource: "mood"},
	{expression: `%resource.item.where(linkId.matches('^/442[56]')).count()`, resource: "mood"},
	{expression: `%resource.item.all(answer.exists())`, resource: "mood"},
	{expression: `%resource.item.exists(linkId='/44260-8')`, resource: "mood"},
	{expression: `%resource.item.where(linkId='nowhere').answer.value.weight().sum()`, resource: "mood"},
	{expression: `%resource.item.where(linkId='nowhere').answer.value.weight().sum().exists()`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().where($this > 1).count()`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().all($this <= 3)`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().first()`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().last()`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().skip(2).take(3)`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().tail().first()`, resource: "mood"},
	{expression: `%resource.item[0].answer.value.weight()`, resource: "mood"},
	{expression: `%resource.item[8].linkId`, resource: "mood"},
	{expression: `%resource.item[20].linkId`, resource: "mood"},
	{expression: `(%resource.item.answer.value.weight().sum() * 100 / 27).round(1)`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().sum() div 2`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().sum() mod 5`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().sum() >= 10 and %resource.item.answer.value.weight().sum() < 15`, resource: "mood"},
	{expression: `iif(%resource.item.answer.value.weight().sum() >= 20, 'severe', iif(%resource.item.answer.value.weight().sum() >= 10, 'moderate', 'mild'))`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight() | {}`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().distinct()`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().combine(1).count()`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().union(7).count()`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().exclude(3)`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().intersect(1|2)`, resource: "mood"},
	{expression: `(1|2).subsetOf(%resource.item.answer.value.weight())`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().supersetOf(1|2)`, resource: "mood"},
	{expression: `%resource.item.where(answer.value.code = 'LA6571-9').linkId`, resource: "mood"},
	{expression: `%resource.item.where(answer.value.system = %loinc).count()`, resource: "mood"},
	{expression: `%questionnaire.item.count()`, resource: "mood"},
	{expression: `%questionnaire.item.where(linkId='/44250-9').answerOption.count()`, resource: "mood"},
	{expression: `%resource.item.where(linkId = %questionnaire.item.first().linkId).answer.value.weight()`, resource: "mood"},
	{expression: `%resource.status = 'completed'`, resource: "mood"},
	{expression: `%resource.status`, resource: "mood"},
	{expression: `%resource.authored`, resource: "mood"},
	{expression: `%resource.item.where($index > 2).count()`, resource: "mood"},
	{expression: `%resource.item.trace('x').count()`, resource: "mood"},
	{expression: `%resource.item.answer.weight().sum()`, resource: "mood"},
	{expression: `%resource.item.where(linkId!='/69722-7').select(iif(answer.exists(), answer.value.weight(), 0)).sum()`, resource: "mood"},
	{expression: `%resource.item.answer.value.as(Coding).code.first()`, resource: "mood", why: "as() keeps the values of the type, as FHIR's own search parameters expect"},
	{expression: `(%resource.item.answer.value as Coding).code.first()`, resource: "mood", why: "as keeps the values of the type, as FHIR's own search parameters expect"},
	{expression: `%resource.item.first().answer.value is Coding`, resource: "mood"},
	{expression: `%resource.item.first().answer.value is integer`, resource: "mood"},
	{expression: `%resource.item.where(answer.empty()).count()`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().sum().toString() & ' points'`, resource: "mood"},
	{expression: `%resource.item.where(linkId='/44250-9').answer.value.weight() * 2 + 1 - 3`, resource: "mood"},
	{expression: `-%resource.item.answer.value.weight().sum()`, resource: "mood"},
	{expression: `%resource.item.answer.value.extension.exists()`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().sum().toString()`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().sum() = 13`, resource: "mood"},
	{expression: `%resource.item.answer.value.weight().sum() > 12.5`, resource: "mood"},
	{expression: `%resource.item.where(linkId!='/69722-7').answer.value.weight().sum()`, resource: "partial"},
	{expression: `%resource.item.answer.value.weight().sum()`, resource: "partial"},
	{expression: `item.answer.value.ordinal().sum()`, resource: "partial"},
	{expression: `QuestionnaireResponse.item.answer.value.weight().sum()`, resource: "partial"},
	{expression: `%resource.item.where(linkId='/44260-8').answer.value.weight()`, resource: "partial"},
	{expression: `%resource.item.where(linkId='/44260-8').answer.value.weight() >= 1`, resource: "partial"},
	{expression: `%resource.item.where(linkId='/44250-9' or linkId='/44255-8').answer.value.weight().sum()`, resource: "partial"},
	{expression: `%resource.item.where(linkId in ('/44250-9' | '/44255-8')).answer.value.weight().sum()`, resource: "partial"},
	{expression: `%resource.item.answer.value.weight().avg()`, resource: "partial"},
	{expression: `%resource.item.answer.value.weight().min()`, resource: "partial"},
	{expression: `%resource.item.answer.value.weight().max()`, resource: "partial"},
	{expression: `%resource.item.answer.value.weight().count()`, resource: "partial"},
	{expression: `%resource.item.answer.value.weight().aggregate($this + $total, 0)`, resource: "partial"},
	{expression: `%resource.item.answer.value.weight().aggregate($total + $this, 0)`, resource: "partial"},
	{expression: `%resource.item.answer.value.weight().select($this * 2).sum()`, resource: "partial"},
	{expression: `%resource.item.answer.value.weight().select(4 - $this).sum()`, resource: "partial"},
	{expression: `iif(%resource.item.where(linkId!='/69722-7').answer.count() = 9, %resource.item.answer.value.weight().sum(), {})`, resource: "partial"},
	{expression: `iif(%resource.item.where(linkId!='/69722-7').answer.count() >= 8, (%resource.item.answer.value.weight().sum() / %resource.item.where(linkId!='/69722-7').answer.count() * 9).round(0), {})`, resource: "partial"},
	{expression: `%resource.item.where(answer.value.weight() >= 2).count()`, resource: "partial"},
	{expression: `%resource.item.answer.value.where($this is Coding).code.first()`, resource: "partial"},
	{expression: `%resource.item.where(linkId!='/69722-7').answer.value.weight().sum()`, resource: "none"},
	{expression: `%resource.item.answer.value.weight().sum()`, resource: "none"},
	{expression: `item.answer.value.ordinal().sum()`, resource: "none"},
	{expression: `QuestionnaireResponse.item.answer.value.weight().sum()`, resource: "none"},
	{expression: `%resource.item.where(linkId='/44260-8').answer.value.weight()`, resource: "none"},
	{expression: `%resource.item.where(linkId='/44260-8').answer.value.weight() >= 1`, resource: "none"},
	{expression: `%resource.item.where(linkId='/44250-9' or linkId='/44255-8').answer.value.weight().sum()`, resource: "none"},
	{expression: `%resource.item.where(linkId in ('/44250-9' | '/44255-8')).answer.value.weight().sum()`, resource: "none"},
	{expression: `%resource.item.answer.value.weight().avg()`, resource: "none"},
	{expression: `%resource.item.answer.value.weight().min()`, resource: "none"},
	{expression: `%resource.item.answer.value.weight().max()`, resource: "none"},
	{expression: `%resource.item.answer.value.weight().count()`, resource: "none"},
	{expression: `%resource.item.answer.value.weight().aggregate($this + $total, 0)`, resource: "none"},
	{expression: `%resource.item.answer.value.weight().aggregate($total + $this, 0)`, resource: "none"},
	{expression: `%resource.item.answer.value.weight().select($this * 2).sum()`, resource: "none"},
	{expression: `%resource.item.answer.value.weight().select(4 - $this).sum()`, resource: "none"},
	{expression: `iif(%resource.item.where(linkId!='/69722-7').answer.count() = 9, %resource.item.answer.value.weight().sum(), {})`, resource: "none"},
	{expression: `iif(%resource.item.where(linkId!='/69722-7').answer.count() >= 8, (%resource.item.answer.value.weight().sum() / %resource.item.where(linkId!='/69722-7').answer.count() * 9).round(0), {})`, resource: "none"},
	{expression: `%resource.item.where(answer.value.weight() >= 2).count()`, resource: "none"},
	{expression: `%resource.item.answer.value.where($this is Coding).code.first()`, resource: "none"},
	{expression: `%resource.item.where(linkId='i').answer.value`, resource: "wild"},
	{expression: `%resource.item.where(linkId='i').answer.value + 1`, resource: "wild"},
	{expression: `%resource.item.where(linkId='d').answer.value * 2`, resource: "wild"},
	{expression: `%resource.item.where(linkId='whole').answer.value`, resource: "wild"},
	{expression: `%resource.item.where(linkId='whole').answer.value.ofType(decimal)`, resource: "wild"},
	{expression: `%resource.item.where(linkId='i').answer.value.ofType(integer)`, resource: "wild"},
	{expression: `%resource.item.where(linkId='i').answer.value.ofType(decimal)`, resource: "wild"},
	{expression: `%resource.item.where(linkId='whole').answer.value is decimal`, resource: "wild"},
	{expression: `%resource.item.where(linkId='whole').answer.value is integer`, resource: "wild"},
	{expression: `%resource.item.where(linkId='neg').answer.value.abs()`, resource: "wild"},
	{expression: `%resource.item.where(linkId='d').answer.value.round()`, resource: "wild"},
	{expression: `(-2.5).round(0)`, resource: "wild"},
	{expression: `(2.5).round(0)`, resource: "wild"},
	{expression: `(0.125).round(2)`, resource: "wild"},
	{expression: `(-1.67).round(1)`, resource: "wild"},
	{expression: `%resource.item.where(linkId='b').answer.value`, resource: "wild"},
	{expression: `%resource.item.where(linkId='b').answer.value.not()`, resource: "wild"},
	{expression: `%resource.item.where(linkId='n').answer.value or true`, resource: "wild"},
	{expression: `iif(%resource.item.where(linkId='b').answer.value, 1, 0)`, resource: "wild"},
	{expression: `%resource.item.where(linkId='s').answer.value`, resource: "wild"},
	{expression: `%resource.item.where(linkId='s').answer.value.length()`, resource: "wild"},
	{expression: `%resource.item.where(linkId='s').answer.value.substring(0,1)`, resource: "wild"},
	{expression: `%resource.item.where(linkId='s').answer.value.upper()`, resource: "wild"},
	{expression: `%resource.item.where(linkId='s').answer.value.indexOf('12')`, resource: "wild"},
	{expression: `%resource.item.where(linkId='s').answer.value.replace('12','13')`, resource: "wild"},
	{expression: `%resource.item.where(linkId='s').answer.value.contains('pf')`, resource: "wild"},
	{expression: `%resource.item.where(linkId='twelve').answer.value.toInteger()`, resource: "wild"},
	{expression: `%resource.item.where(linkId='twelve').answer.value.toDecimal() + 1`, resource: "wild"},
	{expression: `%resource.item.where(linkId='s').answer.value.toInteger()`, resource: "wild"},
	{expression: `%resource.item.where(linkId='twelve').answer.value.convertsToInteger()`, resource: "wild"},
	{expression: `%resource.item.where(linkId='d').answer.value.toInteger()`, resource: "wild"},
	{expression: `%resource.item.where(linkId='whole').answer.value.toInteger()`, resource: "wild"},
	{expression: `%resource.item.where(linkId='d').answer.value.toString()`, resource: "wild"},
	{expression: `%resource.item.where(linkId='date').answer.value`, resource: "wild"},
	{expression: `%resource.item.where(linkId='date').answer.value > @2026-01-01`, resource: "wild"},
	{expression: `%resource.item.where(linkId='date').answer.value = @2026-01-31`, resource: "wild"},
	{expression: `%resource.item.where(linkId='date').answer.value + 1 day`, resource: "wild"},
	{expression: `%resource.item.where(linkId='date').answer.value + 30 days`, resource: "wild"},
	{expression: `%resource.item.where(linkId='time').answer.value = @2026-01-31T11:00:00+01:00`, resource: "wild"},
	{expression: `%resource.item.where(linkId='q').answer.value.value`, resource: "wild"},
	{expression: `%resource.item.where(linkId='q').answer.value.code`, resource: "wild"},
	{expression: `%resource.item.where(linkId='q').answer.value.code = '{score}'`, resource: "wild"},
	{expression: `%resource.item.where(linkId='c').answer.value.display`, resource: "wild"},
	{expression: `%resource.item.where(linkId='c').answer.value.code ~ 'la6571-9'`, resource: "wild"},
	{expression: `%resource.item.where(linkId='c').answer.valueCoding.code`, resource: "wild"},
	{expression: `%resource.item.where(linkId='many').answer.value.sum()`, resource: "wild"},
	{expression: `%resource.item.where(linkId='many').answer.value.count()`, resource: "wild"},
	{expression: `%resource.item.where(linkId='many').answer.value.distinct().count()`, resource: "wild"},
	{expression: `%resource.item.where(linkId='many').answer.value = 1`, resource: "wild", why: "several values compared with one are an error here, so that nobody takes it for an answer"},
	{expression: `%resource.item.where(linkId='many').answer.value.exists($this = 1)`, resource: "wild"},
	{expression: `1 in %resource.item.where(linkId='many').answer.value`, resource: "wild"},
	{expression: `%resource.item.where(linkId='many').answer.value contains 3`, resource: "wild"},
	{expression: `%resource.item.where(linkId='2024').answer.value`, resource: "wild"},
	{expression: `%resource.item.where(linkId='2024').answer.value = '2024'`, resource: "wild"},
	{expression: `7 / 0`, resource: "wild"},
	{expression: `7 div 0`, resource: "wild"},
	{expression: `7 mod 0`, resource: "wild"},
	{expression: `7 / 2`, resource: "wild"},
	{expression: `7 div 2`, resource: "wild"},
	{expression: `-7 div 2`, resource: "wild"},
	{expression: `-7 mod 2`, resource: "wild"},
	{expression: `1 + 1 * 2`, resource: "wild"},
	{expression: `(1 + 1) * 2`, resource: "wild"},
	{expression: `2.power(3)`, resource: "wild"},
	{expression: `9.sqrt()`, resource: "wild"},
	{expression: `1.exp()`, resource: "wild"},
	{expression: `1.ln()`, resource: "wild"},
	{expression: `8.log(2)`, resource: "wild"},
	{expression: `2.7.truncate()`, resource: "wild"},
	{expression: `2.1.ceiling()`, resource: "wild"},
	{expression: `2.9.floor()`, resource: "wild"},
	{expression: `-2.1.floor()`, resource: "wild"},
	{expression: `(-2.1).floor()`, resource: "wild"},
	{expression: `(-2.9).truncate()`, resource: "wild"},
	{expression: `{}.sum()`, resource: "wild"},
	{expression: `{}.count()`, resource: "wild"},
	{expression: `{}.avg()`, resource: "wild"},
	{expression: `{} + 1`, resource: "wild"},
	{expression: `{} and false`, resource: "wild"},
	{expression: `{} or true`, resource: "wild"},
	{expression: `{} xor true`, resource: "wild"},
	{expression: `{} implies true`, resource: "wild"},
	{expression: `true and {}`, resource: "wild"},
	{expression: `true xor false`, resource: "wild"},
	{expression: `true implies false`, resource: "wild"},
	{expression: `false implies true`, resource: "wild"},
	{expression: `{} = 1`, resource: "wild"},
	{expression: `{} ~ {}`, resource: "wild"},
	{expression: `(1|1|2).count()`, resource: "wild"},
	{expression: `(1|2) | (2|3)`, resource: "wild"},
	{expression: `'a' + 'b'`, resource: "wild"},
	{expression: `'a' & {}`, resource: "wild"},
	{expression: `'a' & 'b'`, resource: "wild"},
	{expression: `'it\'s'`, resource: "wild"},
	{expression: `'a\u00e9'.length()`, resource: "wild", why: "fhirpath.js does not decode \\u"},
	{expression: `'a\\n'.length()`, resource: "wild"},
	{expression: `'a,b'.split(',')`, resource: "wild"},
	{expression: `('a'|'b').join('-')`, resource: "wild"},
	{expression: `{}.join(',')`, resource: "wild"},
	{expression: `'abc'.toChars()`, resource: "wild"},
	{expression: `'abc'.startsWith('')`, resource: "wild"},
	{expression: `' a '.trim()`, resource: "wild"},
	{expression: `'abc'.substring(1,1)`, resource: "wild"},
	{expression: `'abc'.substring(3)`, resource: "wild"},
	{expression: `'abc'.indexOf('z')`, resource: "wild"},
	{expression: `'abc'.lower() = 'abc'`, resource: "wild"},
	{expression: `'x'.toInteger()`, resource: "wild"},
	{expression: `'1.5'.toDecimal()`, resource: "wild"},
	{expression: `'true'.toBoolean()`, resource: "wild"},
	{expression: `1.toBoolean()`, resource: "wild"},
	{expression: `3.toString()`, resource: "wild"},
	{expression: `1.0.toString()`, resource: "wild"},
	{expression: `true.toString()`, resource: "wild"},
	{expression: `(true|false).allTrue()`, resource: "wild"},
	{expression: `(true|false).anyTrue()`, resource: "wild"},
	{expression: `{}.allTrue()`, resource: "wild"},
	{expression: `(false).anyFalse()`, resource: "wild"},
	{expression: `(false).allFalse()`, resource: "wild"},
	{expression: `@2026-01-31 < @2026-02-01`, resource: "wild"},
	{expression: `@2026-01-31 = @2026-01-31`, resource: "wild"},
	{expression: `@2026-02-28 + 1 day`, resource: "wild"},
	{expression: `@2026-03-01 - 1 day`, resource: "wild"},
	{expression: `@T10:00:00 < @T11:00:00`, resource: "wild"},
	{expression: `'a' < 'b'`, resource: "wild"},
	{expression: `1 < 2.0`, resource: "wild"},
	{expression: `1 = 1.0`, resource: "wild"},
	{expression: `1 != 2`, resource: "wild"},
	{expression: `true = true`, resource: "wild"},
	{expression: `'A' ~ 'a'`, resource: "wild"},
	{expression: `'A' !~ 'b'`, resource: "wild"},
	{expression: `(1).single()`, resource: "wild"},
	{expression: `(1|2).single()`, resource: "wild"},
	{expression: `{}.single()`, resource: "wild"},
	{expression: `(1|2|3).aggregate($total * $this, 1)`, resource: "wild"},
	{expression: `(3|1|2).aggregate(iif($total.empty(), $this, iif($this < $total, $this, $total)))`, resource: "wild"},
	{expression: `(1|2|3).where($this > 1)`, resource: "wild"},
	{expression: `(1|2|3).select($this + $index)`, resource: "wild"},
	{expression: `(1|2|3)[1]`, resource: "wild"},
	{expression: `(1|2|3).first() = 1`, resource: "wild"},
	{expression: `iif(false, 1)`, resource: "wild"},
	{expression: `iif({}, 1, 2)`, resource: "wild"},
	{expression: `1.1 + 2.2`, resource: "wild"},
	{expression: `0.1 + 0.2 = 0.3`, resource: "wild"},
	{expression: `(10 / 3).round(2)`, resource: "wild"},
	{expression: `1 / 3 * 3`, resource: "wild"},
	{expression: `100 * 1.1`, resource: "wild"},
	{expression: `5.hasValue()`, resource: "wild"},
	{expression: `{}.hasValue()`, resource: "wild"},
	{expression: `%resource.item.where(linkId='c').answer.value.hasValue()`, resource: "wild"},
	{expression: `%resource.children().count() > 3`, resource: "wild"},
	{expression: `(1|2).intersect(2|3)`, resource: "wild"},
	{expression: `(1|2).isDistinct()`, resource: "wild"},
	{expression: `1 is integer`, resource: "wild", why: "a literal is no FHIR integer; refused, so that nobody branches on it"},
	{expression: `%resource is QuestionnaireResponse`, resource: "wild"},
	{expression: `%resource.item.first().is(QuestionnaireResponse)`, resource: "wild"},
	{expression: `%resource.item.answer.value.ofType(Coding).code`, resource: "wild"},
	{expression: `%resource.item.answer.value.ofType(Quantity).value`, resource: "wild"},
	{expression: `%resource.item.answer.value.ofType(string)`, resource: "wild"},
	{expression: `%resource.item.answer.value.ofType(boolean)`, resource: "wild"},
	{expression: `%resource.item.answer.value.ofType(integer).sum()`, resource: "wild"},
	{expression: `%resource.item.answer.value.ofType(integer) | %resource.item.answer.value.ofType(decimal)`, resource: "wild"},
	{expression: `%resource.item.item.where(linkId='x').answer.value.sum()`, resource: "rows"},
	{expression: `%resource.repeat(item).where(linkId='z').answer.value`, resource: "rows"},
	{expression: `%resource.repeat(item|answer).where(linkId='z').answer.value`, resource: "rows"},
	{expression: `%resource.repeat(item|answer.item).where(linkId='z').answer.value`, resource: "rows"},
	{expression: `%resource.repeat(item).linkId`, resource: "rows"},
	{expression: `%resource.repeat(item|answer.item).linkId`, resource: "rows"},
	{expression: `%resource.repeat(item|answer).linkId`, resource: "rows"},
	{expression: `%resource.descendants().where(linkId='z').answer.value`, resource: "rows"},
	{expression: `%resource.item.where(linkId='g').item.where(linkId='y').answer.value.sum()`, resource: "rows"},
	{expression: `%resource.item.where(linkId='g').select(item.where(linkId='x').answer.value * item.where(linkId='y').answer.value).sum()`, resource: "rows"},
	{expression: `%resource.item.answer.item.count()`, resource: "rows"},
	{expression: `%resource.item.item.answer.item.answer.value`, resource: "rows"},
	{expression: `%resource.item.select(item.answer.value.sum())`, resource: "rows"},
	{expression: `%resource.repeat(item|answer).count()`, resource: "rows"},
	{expression: `%resource.descendants().ofType(integer).sum()`, resource: "rows", why: "whether a number is an integer or a whole decimal is not known here; refused"},
	{expression: `%resource.item.item.answer.value.sum()`, resource: "rows"},
	{expression: `%resource.item.item.answer.value.max() - %resource.item.item.answer.value.min()`, resource: "rows"},
}

func secondResources() map[string]string {
	return map[string]string{
		"mood":    moodResponse(0, 1, 2, 3, 3, 2, 1, 0, 1),
		"partial": moodResponse(-1, 1, -1, 3, -1, 2, -1, 0, -1),
		"none":    response(answered(difficulty, `{"valueCoding":{"system":"http://loinc.org","code":"LA6573-5"}}`)),
		"wild": response(
			answered("i", `{"valueInteger":7}`), answered("d", `{"valueDecimal":2.5}`), answered("whole", `{"valueDecimal":2}`), answered("neg", `{"valueInteger":-3}`),
			answered("b", `{"valueBoolean":true}`), answered("n", `{"valueBoolean":false}`),
			answered("s", `{"valueString":"Äpfel 12"}`), answered("twelve", `{"valueString":"12"}`), answered("date", `{"valueDate":"2026-01-31"}`),
			answered("time", `{"valueDateTime":"2026-01-31T10:00:00Z"}`), answered("q", `{"valueQuantity":{"value":4,"unit":"score","code":"{score}","system":"http://unitsofmeasure.org"}}`),
			answered("c", `{"valueCoding":{"system":"http://loinc.org","code":"LA6571-9","display":"Option 3"}}`),
			answered("many", `{"valueInteger":1}`, `{"valueInteger":1}`, `{"valueInteger":2}`), `{"linkId":"2024","answer":[{"valueString":"2024"}]}`),
		"rows": response(
			`{"linkId":"g","item":[`+answered("x", `{"valueInteger":1}`)+`,`+answered("y", `{"valueInteger":2,"item":[`+answered("z", `{"valueInteger":3}`)+`]}`)+`]}`,
			`{"linkId":"g","item":[`+answered("x", `{"valueInteger":4}`)+`,`+answered("y", `{"valueInteger":5}`)+`]}`),
	}
}

func TestASecondEngineAgreesOnWhatPeopleWriteForScores(t *testing.T) {
	form := moodForm(typicalTotal)
	resources := secondResources()
	theirs := askSecond(t, form, resources)
	q := readForm(t, form)
	for i, row := range secondOpinions {
		ours := askOurs(t, q, row.expression, resources[row.resource])
		agrees := sameResult(ours, theirs[i])
		switch {
		case agrees && row.why != "":
			t.Errorf("%s on %s: both give %s, so the explanation %q is stale", row.expression, row.resource, ours, row.why)
		case !agrees && row.why == "":
			t.Errorf("%s on %s: we give %s, fhirpath.js %s", row.expression, row.resource, ours, theirs[i])
		}
	}
	t.Logf("%d expressions compared", len(secondOpinions))
}

// askOurs is our result, or `error` with the reason.
func askOurs(t *testing.T, q *Questionnaire, expression, resource string) string {
	t.Helper()
	e, err := Compile(expression)
	if err != nil {
		return "error: " + err.Error()
	}
	values, err := e.Evaluate(t.Context(), Input{Resource: read(t, resource), Questionnaire: q})
	if err != nil {
		return "error: " + err.Error()
	}
	return shown(values)
}

// askSecond gives the results of fhirpath.js, all from one process.
func askSecond(t *testing.T, form string, resources map[string]string) []string {
	t.Helper()
	type one struct {
		Expression string                     `json:"expression"`
		Resource   json.RawMessage            `json:"resource"`
		Variables  map[string]json.RawMessage `json:"variables"`
	}
	home := filepath.Join(testbed.Examples(t, "fhirpath"), "../..")
	for _, name := range []string{"antlr4", "date-fns", "@loxjs/url-join"} {
		testbed.Examples(t, name)
	}
	asked := struct {
		Home  string `json:"home"`
		Cases []one  `json:"cases"`
	}{Home: home}
	for _, row := range secondOpinions {
		if resources[row.resource] == "" {
			t.Fatalf("there is no resource %q", row.resource)
		}
		asked.Cases = append(asked.Cases, one{row.expression, json.RawMessage(resources[row.resource]), map[string]json.RawMessage{
			"questionnaire": json.RawMessage(form), "loinc": json.RawMessage(`"http://loinc.org"`),
		}})
	}
	in, err := json.Marshal(asked)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "node", "testdata/second.cjs")
	command.Stdin = bytes.NewReader(in)
	var problems strings.Builder
	command.Stderr = &problems
	out, err := command.Output()
	if err != nil {
		t.Fatalf("node, which .ci/install installs: %v\n%s", err, problems.String())
	}
	var results []struct {
		Values []json.RawMessage
		Error  string
	}
	if err := json.Unmarshal(out, &results); err != nil || len(results) != len(secondOpinions) {
		t.Fatalf("%d results: %v", len(results), err)
	}
	var texts []string
	for _, r := range results {
		if r.Error != "" {
			texts = append(texts, "error: "+r.Error)
			continue
		}
		var values []string
		for _, v := range r.Values {
			values = append(values, string(v))
		}
		texts = append(texts, "["+strings.Join(values, ",")+"]")
	}
	return texts
}

// sameResult compares results as JSON, numbers to twelve digits, and errors as such.
func sameResult(a, b string) bool {
	if strings.HasPrefix(a, "error") || strings.HasPrefix(b, "error") {
		return strings.HasPrefix(a, "error") && strings.HasPrefix(b, "error")
	}
	var x, y []any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil || len(x) != len(y) {
		return false
	}
	for i := range x {
		f, one := x[i].(float64)
		g, other := y[i].(float64)
		if one && other {
			if math.Abs(f-g) > 1e-12*math.Max(1, math.Abs(f)) {
				return false
			}
			continue
		}
		p, _ := json.Marshal(x[i])
		q, _ := json.Marshal(y[i])
		if !bytes.Equal(p, q) {
			return false
		}
	}
	return true
}
